"""Compare extraction into a store with the forward passes alone over the same batches, which are in memory.

Texts are movie sentences, and images are JPEG files cut out of two photographs that scikit-learn has. What extraction does besides:
reading, decoding, resizing or tokenising, checking, writing and committing. The last line is one JSON object.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aft
from aft.demo import minilm_folder, movie_sentences, unpack_mpnet
from aft.models import load_backbone

ROUNDS, SHARD, BATCH = 5, 256, 32
#: Number of samples for each teacher.
SAMPLES = {"minilm": 512, "mpnet": 256, "lite0": 256}


def texts(count: int) -> aft.Dataset:
    """Movie sentences."""
    return aft.Dataset.from_table(movie_sentences(), text="sentence", id="id").subset(np.arange(count))


def images(count: int, folder: Path) -> aft.Dataset:
    """JPEG files of 300 x 300 pixels, with a class for each of the two photographs that they are cut out of."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    photographs, generator = load_sample_images().images, np.random.default_rng(0)
    for label in range(len(photographs)):
        (folder / str(label)).mkdir()
    for number in range(count):
        label = number % len(photographs)
        whole = photographs[label]
        top, left = (int(generator.integers(0, size - 300)) for size in whole.shape[:2])
        Image.fromarray(whole[top : top + 300, left : left + 300]).save(
            folder / str(label) / f"{number}.jpg", quality=90
        )
    return aft.Dataset.from_folder(folder)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Time both for a teacher, in several rounds."""
    teacher = {
        "minilm": f"hf:{minilm_folder()}", "mpnet": f"hf:{unpack_mpnet()}" if name == "mpnet" else "", "lite0": "python:aft.demo:lite0",
    }[name]  # fmt: skip
    dataset = images(SAMPLES[name], folder) if name == "lite0" else texts(SAMPLES[name])
    _ = dataset.digests
    backbone = load_backbone(teacher, example=dataset.inputs[0])
    encoded = backbone.encode(list(dataset.inputs))
    shards = [encoded[start : start + SHARD] for start in range(0, len(encoded), SHARD)]

    def forward_passes(*, by_length: bool = True) -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            for shard in shards:
                rows = sorted(shard, key=lambda item: -backbone.length(item)) if by_length else shard
                for first in range(0, len(rows), BATCH):
                    backbone(backbone.collate(rows[first : first + BATCH])).numpy()
        return time.perf_counter() - start

    def stored() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as out:
            seconds = []
            for _ in range(2):
                start = time.perf_counter()
                aft.extract(dataset, teacher, name="t", out=out, shard_rows=SHARD, batch_size=BATCH, progress=False)
                seconds.append(time.perf_counter() - start)
            return seconds[0], seconds[1]

    forward_passes()
    rows = [(forward_passes(), *stored(), forward_passes(by_length=False)) for _ in range(ROUNDS)]
    plain, first, second, given = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "samples": len(encoded), "bare_seconds": round(plain, 2), "extract_seconds": round(first, 2),
        "extract_again_seconds": round(second, 2), "given_order_seconds": round(given, 2),
        "by_length": round(statistics.median(d / b for b, _, _, d in rows), 3),
        "ratio": round(statistics.median((a - c) / b for b, a, c, _ in rows), 3),
    }  # fmt: skip


def main() -> None:
    """Measure one teacher, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", choices=list(SAMPLES), action="append")
    results = {}
    for name in parser.parse_args().teacher or SAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measure(name, Path(folder))
    print(
        json.dumps(
            {
                "benchmark": "extraction", "teachers": results,
                "ratio_is": "(extraction - extraction with all features present, which loads the model and computes its digest) / forward passes",
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
