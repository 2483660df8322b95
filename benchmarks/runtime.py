"""Predictions without PyTorch beside onnxruntime alone: a table, its texts in memory, and the same batches encoded beforehand.

Medians of several passes, each way in turn. The last line is one JSON object.
"""

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from aft.runtime import ExportedModel, predict_file


def seconds(run: Callable[[], object]) -> float:
    """Duration of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exported", type=Path, help="folder that aft export wrote")
    parser.add_argument("table", type=Path, help="table of texts, a .csv file")
    parser.add_argument("--column", default="sentence")
    parser.add_argument("--passes", type=int, default=5)
    arguments = parser.parse_args()
    with arguments.table.open(newline="", encoding="utf-8") as file:
        texts = [row[arguments.column] for row in csv.DictReader(file)]
    model = ExportedModel(arguments.exported)
    batches = list(model.sorted_batches(texts))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answers.csv"
        ways: dict[str, Callable[[], object]] = {
            "onnxruntime": lambda: [model.run(batch) for batch in batches],
            "logits": lambda: model.logits(texts),
            "file": lambda: predict_file(model, arguments.table, out, {"text": arguments.column}, overwrite=True),
        }
        measured: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.passes):
            for name, run in ways.items():
                measured[name].append(seconds(run))
    median = {name: statistics.median(values) for name, values in measured.items()}
    print(
        json.dumps({
            "benchmark": "runtime", "model": model.description.student, "texts": len(texts),
            "per_second": {name: round(len(texts) / value) for name, value in median.items()},
            "of_onnxruntime_alone": {name: round(median["onnxruntime"] / value, 3) for name, value in median.items()},
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
