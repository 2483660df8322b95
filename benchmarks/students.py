"""Measure what students need: parameters, bytes, and milliseconds for an input by itself and in a batch, on one thread of a CPU.

With ``--write`` the result replaces the table that ``aft students`` shows. The last line is one JSON object. Weights are random where
they come from a hub: they change nothing in the time.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from aft.catalogue import KNOWN_MODELS
from aft.core import write_json
from aft.demo import minilm_folder, movie_sentences
from aft.evaluation import latency, throughput
from aft.models import Student, forward_all, load_backbone

TABLE = Path(__file__).parent.parent / "src" / "aft" / "catalogue" / "students.json"
MINILM = "keep_layers={},max_length=64,vocabulary=8000"
ALONE, BATCH, REPEATS = 16, 256, 5
TEXTS = (
    ("aft:ngrams", "few parameters to serve; starts from the best linear model", None),
    ("aft:static", "a table of tokens; start it with init= from a teacher", None),
    ("aft:cnn", "order of words for a few multiplications; start it with init= from a teacher", None),
    ("aft:ngrams+aft:cnn", "better than n-grams where labels are few", None),
    ("aft:transformer", "order of words, from random weights", None),
    (f"minilm,{MINILM.format(2)}", "the first layers of an encoder", None),
    (f"aft:ngrams+minilm,{MINILM.format(3)}", "our best students of short texts", None),
    ("minilm,max_length=128", "a whole small encoder", None),
    ("bert-small", "a student of the paper", {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048}),
    ("distilbert", "a student of the paper", {"num_hidden_layers": 6}),
)  # fmt: skip
IMAGES = (
    ("timm:resnet10t,image_size=32,weights=random", "pictures of 32 pixels, from random weights"),
    ("python:aft.demo:mobilenetv2_64", "a pretrained network at 64 pixels"),
    ("python:aft.demo:lite0_96", "a pretrained network at 96 pixels"),
    *((one.name, one.about) for one in KNOWN_MODELS.values() if one.inputs == "image" and one.use == "student"),
)


def text_student(name: str, sizes: dict[str, int] | None, sentences: list[str], folder: Path) -> Any:
    """Build a student of texts. One that is not installed is built with random weights of its size."""
    if sizes is not None:
        config = transformers.BertConfig(vocab_size=30522, **sizes)
        transformers.BertModel(config).save_pretrained(folder / name)
        transformers.AutoTokenizer.from_pretrained(minilm_folder()).save_pretrained(folder / name)
        name = f"hf:{folder / name}"
    for sign in ("", "+"):
        name = name.replace(f"{sign}minilm,", f"{sign}hf:{minilm_folder()},")
    return load_backbone(name, role="student", texts=lambda: sentences, example=sentences[0], outputs=2)


def measure(backbone: Any, inputs: list[Any]) -> dict[str, Any]:
    """Parameters, bytes and times of a student."""
    student = Student(backbone, 2).eval()

    def predict(part: Any) -> object:
        return forward_all(student, student.backbone.encode(list(part)))

    return {
        "parameters": student.size(), "bytes": 4 * student.size(),
        "latency_ms": round(latency(predict, inputs[:ALONE], repeats=REPEATS), 3),
        "batch_ms": round(1000 / throughput(predict, inputs[:BATCH], repeats=REPEATS), 3),
    }  # fmt: skip


def rows() -> Iterator[dict[str, Any]]:
    """Measure all students."""
    with movie_sentences().open(encoding="utf-8", newline="") as file:
        sentences = [row["sentence"] for row in csv.DictReader(file)][:10_000]
    generator = np.random.default_rng(0)
    pictures = [Image.fromarray(generator.integers(0, 256, (256, 256, 3), dtype=np.uint8)) for _ in range(BATCH)]
    with tempfile.TemporaryDirectory() as folder:
        for name, about, sizes in TEXTS:
            backbone = text_student(name, sizes, sentences, Path(folder))
            yield {"name": name, "inputs": "text", **measure(backbone, sentences), "about": about}
    for name, about in IMAGES:
        random = name in KNOWN_MODELS
        backbone = load_backbone(name, role="student", example=pictures[0], **({"weights": "random"} if random else {}))
        few = pictures[: BATCH // 8]
        yield {"name": name, "inputs": "image", **measure(backbone, few), "about": about}


def main() -> None:
    """Measure, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the table of aft students")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for row in rows():
        print(json.dumps(row), flush=True)
        found.append(row)
    result = {"benchmark": "students", "threads": 1, "torch": str(torch.__version__), "students": found}
    if arguments.write:
        write_json(TABLE, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
