"""Compare extraction into a store with the forward passes alone over the same batches."""

import json
import statistics
import tempfile
import time

import torch

import aft
from aft.demo import minilm_folder, movie_sentences
from aft.models import load_backbone

SAMPLES, ROUNDS = 512, 5


def main() -> None:
    """Measure both with all-MiniLM-L6-v2 over movie sentences, in several rounds."""
    import numpy as np

    sentences = aft.Dataset.from_table(movie_sentences(), text="sentence", id="id")
    dataset = sentences.subset(np.arange(SAMPLES))
    _ = dataset.digests
    teacher = f"hf:{minilm_folder()}"
    backbone = load_backbone(teacher)

    def forward_passes(*, by_length: bool = True) -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            for shard in range(0, SAMPLES, 256):  # the shards of the extraction
                encoded = backbone.encode([dataset.inputs[i] for i in range(shard, shard + 256)])
                if by_length:
                    encoded.sort(key=lambda item: -backbone.length(item))
                for start_row in range(0, 256, 32):
                    backbone(backbone.collate(encoded[start_row : start_row + 32])).numpy()
        return time.perf_counter() - start

    def stored() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            aft.extract(dataset, teacher, name="minilm", out=folder, shard_rows=256, progress=False)
            first = time.perf_counter() - start
            start = time.perf_counter()
            aft.extract(dataset, teacher, name="minilm", out=folder, shard_rows=256, progress=False)
            return first, time.perf_counter() - start

    forward_passes()
    rows = [(forward_passes(), *stored(), forward_passes(by_length=False)) for _ in range(ROUNDS)]
    plain, first, second, given = (statistics.median(column) for column in zip(*rows, strict=True))
    result = {
        "benchmark": "extraction",
        "samples": SAMPLES,
        "bare_seconds": round(plain, 2),
        "extract_seconds": round(first, 2),
        "extract_again_seconds": round(second, 2),
        "given_order_seconds": round(given, 2),
        "by_length": round(statistics.median(d / b for b, _, _, d in rows), 3),
        "ratio": round(statistics.median((a - c) / b for b, a, c, _ in rows), 3),
        "ratio_is": "(extraction - extraction with all features present, which loads the model and computes its digest) / forward passes",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
