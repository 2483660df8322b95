"""Compare the memory of a training that reads a store of two million samples with one that reads a store of twenty thousand.

Features are memory-mapped, so the measure is the process's own memory (RssAnon), without the file pages that the system may drop at
any time. Both trainings use twenty thousand samples; in the larger store they are spread over all rows. The peak during the
training counts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from aft.features import Sample, StoreWriter
from resident import Resident

DIM, TRAINED, STEPS = 768, 20_000, 60


def main() -> None:
    """Create the stores, train with each in a separate process, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the large store")
    parser.add_argument("--folder", type=Path, help="directory for the stores, about 3 GB; temporary by default")
    parser.add_argument("--make", nargs=2, metavar=("FOLDER", "ROWS"))
    parser.add_argument("--train", nargs=2, metavar=("FOLDER", "ROWS"))
    arguments = parser.parse_args()
    if arguments.make:
        _make(Path(arguments.make[0]), int(arguments.make[1]))
    elif arguments.train:
        print(json.dumps(_train(Path(arguments.train[0]), int(arguments.train[1]))))
    elif arguments.folder:
        _compare(arguments.folder, arguments.rows)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _compare(Path(folder), arguments.rows)


def _compare(folder: Path, large: int) -> None:
    measured = {}
    for rows in (TRAINED, large):
        store = folder / str(rows)
        _child("--make", store, rows)
        measured[rows] = json.loads(_child("--train", store, rows).splitlines()[-1])
    difference = measured[large]["anonymous_mb"] - measured[TRAINED]["anonymous_mb"]
    print(json.dumps({
        "benchmark": "memory", "dim": DIM, "rows": [{"rows": rows, **one} for rows, one in measured.items()],
        "difference_mb": round(difference, 1), "within_300_mb": difference < 300,
    }))  # fmt: skip


def _child(*arguments: object) -> str:
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _make(folder: Path, rows: int) -> None:
    generator = np.random.default_rng(0)
    block = generator.standard_normal((65_536, DIM)).astype(np.float16)
    samples = [Sample(f"id{n}", "") for n in range(rows)]
    writer = StoreWriter.plan(folder / "t", name="t", fingerprint={"model": "synthetic"}, dim=DIM, samples=samples)
    for shard in writer.pending():
        writer.commit(shard, block[: writer.rows(shard)])
    writer.finish()


def _train(folder: Path, rows: int) -> dict[str, float]:
    import aft
    from aft.training import HParams, Problem, TrainConfig, fit

    chosen = range(0, rows, rows // TRAINED)
    texts = [f"word{n % 97} word{n % 31} word{n % 7}" for n in chosen]
    dataset = aft.Dataset.from_arrays(
        texts, ["ab"[index % 2] for index in range(len(chosen))], ids=[f"id{n}" for n in chosen]
    )
    config = TrainConfig(method="aft", batch_size=256, test_fraction=0.05)
    problem = Problem.build(dataset, "aft:static", [aft.FeatureStore.open(folder / "t")], config)
    with Resident() as memory:
        fit(problem, HParams(4e-3, STEPS, 0.01, "balanced", 1.0), 0)
        largest = memory.largest()
    return {**largest, "read_mb": round(STEPS * problem.batch_size(objective=True) * DIM * 2 / 1e6, 1)}


if __name__ == "__main__":
    main()
