"""Memory of a training that reads a store of two million samples against one of twenty thousand.

Features are memory-mapped: what counts is the process's own memory (RssAnon), not the pages of files that the system may drop. Both train on the same
twenty thousand samples, spread over the store. The largest value during the training counts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from aft.features import Sample, StoreWriter

DIM, TRAINED, STEPS = 768, 20_000, 60


def main() -> None:
    """Make the stores, train with each in a process of its own, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="where the stores go; 3 GB, removed afterwards where not given")
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
    found = {}
    for rows in (TRAINED, large):
        store = folder / str(rows)
        _child("--make", store, rows)
        found[rows] = json.loads(_child("--train", store, rows).splitlines()[-1])
    difference = found[large]["anonymous_mb"] - found[TRAINED]["anonymous_mb"]
    print(json.dumps({
        "benchmark": "memory", "dim": DIM, "rows": [{"rows": rows, **one} for rows, one in found.items()],
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
        texts, ["ab"[place % 2] for place, _ in enumerate(chosen)], ids=[f"id{n}" for n in chosen]
    )
    config = TrainConfig(method="aft", batch_size=256, test_fraction=0.05)
    problem = Problem.build(dataset, "aft:static", [aft.FeatureStore.open(folder / "t")], config)
    seen, over = [_resident()], threading.Event()
    watcher = threading.Thread(target=lambda: [seen.append(_resident()) for _ in iter(lambda: over.wait(0.02), True)])
    watcher.start()
    fit(problem, HParams(4e-3, STEPS, 0.01, "balanced", 1.0), 0)
    over.set()
    watcher.join()
    return {
        "anonymous_mb": max(anonymous for anonymous, _ in seen), "mapped_mb": max(mapped for _, mapped in seen),
        "read_mb": round(STEPS * problem.batch_size * DIM * 2 / 1e6, 1),
    }  # fmt: skip


def _resident() -> tuple[float, float]:
    """Memory of this process, its own and that of files mapped into it, in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Rss")}
    return round(kilobytes["RssAnon"] / 1024, 1), round(kilobytes["RssFile"] / 1024, 1)


if __name__ == "__main__":
    main()
