"""How much memory does it take to train on a large table of texts?

A Parquet table of texts, ids, labels and splits, and a store of narrow features, are written for 10,000 rows and for ``--rows``. A
process of its own reads the table, divides it, builds the problem and trains. What counts is the largest memory of its own
(RssAnon) in each phase: the system may drop the pages of files, among which are those of the dataset's columns. ``--held-out``
lets the splits be held out instead. The last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from resident import Resident

SMALL, DIM, STEPS = 10_000, 16, 60
SYLLABLES = [first + vowel + last for first in "bdfgklmnprst" for vowel in "aeiou" for last in ("n", "r", "st", "l")]


def main() -> None:
    """Write both sizes, and train on each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large table")
    parser.add_argument(
        "--held-out", action="store_true", help="hold the splits out instead of reading them from a column"
    )
    parser.add_argument("--folder", type=Path, help="directory for tables and stores; temporary by default")
    parser.add_argument("--make", nargs=2, metavar=("FOLDER", "ROWS"), help="used by the script itself")
    parser.add_argument("--train", metavar="FOLDER", help="used by the script itself")
    arguments = parser.parse_args()
    if arguments.make:
        _make(Path(arguments.make[0]), int(arguments.make[1]))
    elif arguments.train:
        print(json.dumps(_train(Path(arguments.train), held_out=arguments.held_out)))
    elif arguments.folder:
        _compare(arguments.folder, arguments.rows, held_out=arguments.held_out)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _compare(Path(folder), arguments.rows, held_out=arguments.held_out)


def _compare(folder: Path, rows: int, *, held_out: bool) -> None:
    measured = {}
    for size in (SMALL, rows):
        own = folder / str(size)
        if not (own / "features" / "t" / "manifest.json").exists():
            _child("--make", str(own), str(size))
        measured[size] = json.loads(_child("--train", str(own), *["--held-out"] * held_out))
    more = {
        phase: round(measured[rows][phase]["anonymous_mb"] - one["anonymous_mb"])
        for phase, one in measured[SMALL].items()
    }
    print(json.dumps({
        "benchmark": "dataset_memory", "splits": "held out" if held_out else "given", "rows": rows, "small": measured[SMALL],
        "large": measured[rows], "more_mb": more, "difference_mb": max(more.values()), "within_300_mb": max(more.values()) < 300,
    }))  # fmt: skip


def _child(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _make(folder: Path, rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    from aft.data import Dataset
    from aft.features import Samples, StoreWriter

    folder.mkdir(parents=True, exist_ok=True)
    names = ("negative", "positive")
    schema = pa.schema({name: pa.string() for name in ("id", "text", "label", "split")})
    with parquet.ParquetWriter(folder / "table.parquet", schema) as writer:
        for start in range(0, rows, 50_000):
            numbers = range(start, min(start + 50_000, rows))
            columns = {
                "id": [f"sample-{n:010d}" for n in numbers], "text": [_text(n) for n in numbers],
                "label": [names[n // 2 % 2] if n % 2 else None for n in numbers],
                "split": ["test" if n % 10 == 1 else "train" for n in numbers],
            }  # fmt: skip
            writer.write_table(pa.table(columns))
    dataset = Dataset.from_table(folder / "table.parquet", text="text", id="id").verified()
    samples = Samples(dataset.ids, dataset.digests)
    writer = StoreWriter.plan(
        folder / "features" / "t", name="t", fingerprint={"model": "synthetic"}, dim=DIM, samples=samples
    )
    generator = np.random.default_rng(0)
    for shard in writer.pending():
        writer.commit(shard, generator.standard_normal((writer.rows(shard), DIM)).astype(np.float16))
    writer.finish()


def _text(number: int) -> str:
    words = (SYLLABLES[(number * 7 + place * place * (number % 13)) % len(SYLLABLES)] for place in range(16))
    return f"{' '.join(words)} {number}"


def _train(folder: Path, *, held_out: bool) -> dict[str, dict[str, float]]:
    """The largest memory of this process in each phase, and how long it took."""
    import aft
    from aft.training import HParams, Problem, TrainConfig, fit

    memory, measured = Resident(), {}

    def phase(name: str, work: Any) -> Any:
        started = time.monotonic()
        result = work()
        measured[name] = {**memory.largest(), "seconds": round(time.monotonic() - started, 1)}
        return result

    with memory:
        split = {} if held_out else {"split": "split"}
        dataset = phase(
            "reading",
            lambda: aft.Dataset.from_table(folder / "table.parquet", text="text", id="id", label="label", **split),
        )
        stores = [aft.FeatureStore.open(folder / "features" / "t")]
        config = TrainConfig(method="aft", batch_size=64, test_fraction=0.1)
        problem = phase(
            "building", lambda: Problem.build(dataset, "aft:transformer,width=64,vocabulary=4000", stores, config)
        )
        fitted = phase("training", lambda: fit(problem, HParams(1e-3, STEPS, 0.01, "balanced", 1.0), 0))
        phase("testing", lambda: problem.test_logits(fitted.student))
    return measured


if __name__ == "__main__":
    main()
