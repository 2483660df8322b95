"""What a billion samples would take: bytes, shards, seconds, memory and price of each part, from rates measured here.

The store's own rates are measured on a synthetic store of half a million rows, the teacher's on sentences. What grows with the number of samples is
multiplied, what does not is left alone; where many machines share a part, by its share. Prices are those of ``--cpu-price`` and
``--gpu-price`` an hour, ``--store-price`` a GB and month; the rate of a teacher on a GPU is not measured here, and has to be given.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from aft.features import FeatureStore, Sample, StoreWriter, default_shard_rows

ROWS = 500_000


def main() -> None:
    """Measure, multiply, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=float, default=1e9)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--machines", type=int, default=64, help="that extract")
    parser.add_argument(
        "--teacher-rate", type=float, default=2000.0, help="samples a second of the teacher on one of them"
    )
    parser.add_argument("--step", type=float, default=0.05, help="seconds of a training step")
    parser.add_argument("--batch", type=int, default=1024, help="samples of a training step")
    parser.add_argument("--memory", type=float, default=64.0, help="GB of the machine that plans")
    parser.add_argument("--cpu-price", type=float, default=0.10)
    parser.add_argument("--gpu-price", type=float, default=2.50)
    parser.add_argument("--store-price", type=float, default=0.023)
    parser.add_argument("--child", nargs=2)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measure(Path(arguments.child[0]), int(arguments.child[1]), arguments.dim)))
        return
    measured = [_child(rows, arguments.dim) for rows in (ROWS // 5, ROWS)]
    rates = _rates(*measured)
    print(json.dumps({"benchmark": "scaling", "measured": measured, "rates": rates, "plan": _plan(arguments, rates)}))


def _child(rows: int, dim: int) -> dict[str, float]:
    """In a process of its own, whose peak of memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--dim", str(dim), "--child", folder, str(rows)]
        found: dict[str, float] = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        )
        return found


def _measure(folder: Path, rows: int, dim: int) -> dict[str, float]:
    # Made in parts: a peak of memory here would hide the planner's.
    block = np.tile(np.random.default_rng(0).standard_normal((512, dim)).astype(np.float16), (16, 1))
    before = _peak()
    seconds: dict[str, float] = {}

    def timed(name: str, work: Any) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[name] = round(time.perf_counter() - start, 4)
        return result

    samples = [Sample(f"sample-{n:010d}", f"{n:032x}") for n in range(rows)]
    writer = timed("plan", lambda: StoreWriter.plan(folder / "t", name="t", fingerprint={}, dim=dim, samples=samples))
    timed("write", lambda: [writer.commit(shard, block[: writer.rows(shard)]) for shard in writer.pending()])
    timed("finish", writer.finish)
    planned = _peak() - before
    store = timed("open", lambda: FeatureStore.open(folder / "t"))
    ids = [sample.id for sample in samples]
    found = timed("join", lambda: store.rows(ids))
    order = np.random.default_rng(1).permutation(found)[: 300 * 256].reshape(-1, 256)
    timed("gather", lambda: [store.take(batch) for batch in order])
    timed("verify", store.verify)
    files = {path.name: path.stat().st_size for path in (folder / "t").iterdir()}
    return {
        "rows": rows, "gathered": order.size, **seconds, "peak_bytes": planned,
        "data_bytes": sum(size for name, size in files.items() if name.startswith("shard") and name.endswith(".npy")),
        "other_bytes": sum(size for name, size in files.items() if not (name.startswith("shard") and name.endswith(".npy"))),
    }  # fmt: skip


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _rates(small: dict[str, float], large: dict[str, float]) -> dict[str, float]:
    """What a row more costs: between the two sizes, so that what does not grow drops out."""
    rows = large["rows"] - small["rows"]
    per_row = {name: (large[name] - small[name]) / rows for name in ("plan", "write", "finish", "join", "verify")}
    return {
        **{f"{name}_rows_per_second": round(1 / max(value, 1e-12)) for name, value in per_row.items()},
        "gather_rows_per_second": round(large["gathered"] / large["gather"]), "open_seconds": large["open"],
        "data_bytes_per_row": large["data_bytes"] / large["rows"], "other_bytes_per_row": round(large["other_bytes"] / large["rows"], 1),
        "memory_bytes_per_row": round((large["peak_bytes"] - small["peak_bytes"]) / rows),
    }  # fmt: skip


def _plan(asked: argparse.Namespace, rates: dict[str, float]) -> dict[str, Any]:
    samples, shards = asked.samples, math.ceil(asked.samples / default_shard_rows(int(asked.samples)))
    size = samples * (rates["data_bytes_per_row"] + rates["other_bytes_per_row"])
    teacher = samples / asked.teacher_rate / asked.machines
    hours = {
        "plan": samples / rates["plan_rows_per_second"] / 3600,
        "teacher, each machine": teacher / 3600,
        "writing, each machine": samples / rates["write_rows_per_second"] / asked.machines / 3600,
        "finish": samples / rates["finish_rows_per_second"] / 3600,
        "verify, one machine": samples / rates["verify_rows_per_second"] / 3600,
        "join": samples / rates["join_rows_per_second"] / 3600,
        "training, one pass": samples / asked.batch * asked.step / 3600,
        "reading in training, one pass, one process": samples / rates["gather_rows_per_second"] / 3600,
    }
    machine_hours = (hours["teacher, each machine"] + hours["writing, each machine"]) * asked.machines
    alone = sum(hours[name] for name in ("plan", "finish", "verify, one machine", "join"))
    return {
        "samples": samples, "dim": asked.dim, "terabytes": round(size / 1e12, 3), "shards": shards,
        "hours": {name: round(value, 2) for name, value in hours.items()},
        "planner_memory_gb": round(samples * rates["memory_bytes_per_row"] / 1e9, 1),
        "parts": math.ceil(samples * rates["memory_bytes_per_row"] / 1e9 / asked.memory),
        "price": {
            "teacher": round(machine_hours * asked.gpu_price), "planning and checking": round(alone * asked.cpu_price, 2),
            "storage a month": round(size / 1e9 * asked.store_price), "training, one pass": round(hours["training, one pass"] * asked.gpu_price),
        },
        "assumed": {name: getattr(asked, name) for name in ("machines", "memory", "teacher_rate", "step", "batch", "cpu_price", "gpu_price", "store_price")},
    }  # fmt: skip


if __name__ == "__main__":
    main()
