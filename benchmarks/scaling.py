"""Estimate what a store of a billion samples takes: bytes, shards, hours, memory and price of each part.

The rates of the store are measured on synthetic stores of 100,000 and 500,000 rows. Costs that grow with the number of samples are
extrapolated, and divided where several machines share them; constant costs are not. Prices are given by ``--cpu-price`` and
``--gpu-price`` per hour, and ``--store-price`` per GB and month. The rate of a teacher on a GPU and the duration of a training step
are not measured and have to be given. Memory is the process's own (RssAnon); the columns of a large table lie in files, so it is
measured with ``--dim 8 --rows 4000000``.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from aft.data import Dataset
from aft.features import FeatureStore, Samples, StoreWriter, default_shard_rows
from resident import Resident

ROWS = 500_000
TEXT = "a text of some words, number {:010d}"


def main() -> None:
    """Measure the rates, extrapolate them and print the plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=float, default=1e9, help="number of samples")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the larger store that is measured")
    parser.add_argument("--dim", type=int, default=768, help="width of the features")
    parser.add_argument("--machines", type=int, default=64, help="number of machines that extract")
    parser.add_argument(
        "--teacher-rate", type=float, default=2000.0, help="samples per second of the teacher on one machine"
    )
    parser.add_argument("--step", type=float, default=0.05, help="seconds per training step")
    parser.add_argument("--batch", type=int, default=1024, help="samples per training step")
    parser.add_argument("--memory", type=float, default=64.0, help="memory of a planning machine, in GB")
    parser.add_argument("--cpu-price", type=float, default=0.10, help="price of a machine without a GPU per hour")
    parser.add_argument("--gpu-price", type=float, default=2.50, help="price of a machine with a GPU per hour")
    parser.add_argument("--store-price", type=float, default=0.023, help="price of storage per GB and month")
    parser.add_argument("--child", nargs=2, metavar=("DIR", "ROWS"), help="used by the script itself")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measure(Path(arguments.child[0]), int(arguments.child[1]), arguments.dim)))
        return
    measured = [_child(rows, arguments.dim) for rows in (arguments.rows // 2, arguments.rows)]
    rates = _rates(*measured)
    print(json.dumps({"benchmark": "scaling", "measured": measured, "rates": rates, "plan": _plan(arguments, rates)}))


def _child(rows: int, dim: int) -> dict[str, float]:
    """Measure in a separate process, so that its peak memory is not affected by earlier measurements."""
    with tempfile.TemporaryDirectory() as folder:
        _write_table(Path(folder) / "table.parquet", rows)
        command = [sys.executable, __file__, "--dim", str(dim), "--child", folder, str(rows)]
        measured: dict[str, float] = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        )
        return measured


def _measure(folder: Path, rows: int, dim: int) -> dict[str, float]:
    # A small repeated block: a memory peak here would hide that of the planner.
    block = np.tile(
        np.random.default_rng(0).standard_normal((512, dim)).astype(np.float16),
        (default_shard_rows(rows) // 512 or 1, 1),
    )
    seconds: dict[str, float] = {}

    def timed(name: str, work: Any) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[name] = round(time.perf_counter() - start, 4)
        return result

    memory = Resident()
    before = memory.largest()["anonymous_mb"]
    with memory:
        dataset = timed("table", lambda: Dataset.from_table(folder / "table.parquet", text="text", id="id"))
        samples = Samples(dataset.ids, dataset.digests)
        writer = timed(
            "plan", lambda: StoreWriter.plan(folder / "t", name="t", fingerprint={}, dim=dim, samples=samples)
        )
        planned = memory.largest()["anonymous_mb"] - before
        timed("write", lambda: [writer.commit(shard, block[: writer.rows(shard)]) for shard in writer.pending()])
        timed("finish", writer.finish)
        finished = max(planned, memory.largest()["anonymous_mb"] - before)
    store = timed("open", lambda: FeatureStore.open(folder / "t"))
    rows_of_ids = timed("join", lambda: store.rows(samples.ids, samples.digests))
    order = np.random.default_rng(1).permutation(rows_of_ids)[: 300 * 256].reshape(-1, 256)
    timed("gather", lambda: [store.take(batch) for batch in order])
    timed("verify", store.verify)
    files = {path.name: path.stat().st_size for path in (folder / "t").iterdir()}
    return {
        "rows": rows, "gathered": order.size, **seconds, "planned_bytes": 1e6 * planned, "peak_bytes": 1e6 * finished,
        "data_bytes": sum(size for name, size in files.items() if name.startswith("shard") and name.endswith(".npy")),
        "other_bytes": sum(size for name, size in files.items() if not (name.startswith("shard") and name.endswith(".npy"))),
    }  # fmt: skip


def _write_table(path: Path, rows: int) -> None:
    """A table of ids and short texts, written a part at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema({"id": pa.string(), "text": pa.string()})
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 50_000):
            numbers = range(start, min(start + 50_000, rows))
            columns = {"id": [f"sample-{n:010d}" for n in numbers], "text": [TEXT.format(n) for n in numbers]}
            writer.write_table(pa.table(columns, schema=schema))


def _rates(small: dict[str, float], large: dict[str, float]) -> dict[str, float]:
    """Compute the cost of one more row from the difference of the two sizes, so that constant costs drop out."""
    rows = large["rows"] - small["rows"]
    per_row = {
        name: (large[name] - small[name]) / rows for name in ("table", "plan", "write", "finish", "join", "verify")
    }
    return {
        **{f"{name}_rows_per_second": round(1 / max(value, 1e-12)) for name, value in per_row.items()},
        "gather_rows_per_second": round(large["gathered"] / large["gather"]), "open_seconds": large["open"],
        "data_bytes_per_row": large["data_bytes"] / large["rows"], "other_bytes_per_row": round(large["other_bytes"] / large["rows"], 1),
        **{
            f"{name}_memory_per_row": round((large[peak] - small[peak]) / rows)
            for name, peak in (("planning", "planned_bytes"), ("finishing", "peak_bytes"))
        },
    }  # fmt: skip


def _plan(arguments: argparse.Namespace, rates: dict[str, float]) -> dict[str, Any]:
    samples, shards = arguments.samples, math.ceil(arguments.samples / default_shard_rows(int(arguments.samples)))
    size = samples * (rates["data_bytes_per_row"] + rates["other_bytes_per_row"])
    teacher = samples / arguments.teacher_rate / arguments.machines
    hours = {
        "plan": samples / rates["plan_rows_per_second"] / 3600,
        "teacher, each machine": teacher / 3600,
        "writing, each machine": samples / rates["write_rows_per_second"] / arguments.machines / 3600,
        "finish": samples / rates["finish_rows_per_second"] / 3600,
        "verify, one machine": samples / rates["verify_rows_per_second"] / 3600,
        "join": samples / rates["join_rows_per_second"] / 3600,
        "training, one pass": samples / arguments.batch * arguments.step / 3600,
        "reading in training, one pass, one process": samples / rates["gather_rows_per_second"] / 3600,
    }
    machine_hours = (hours["teacher, each machine"] + hours["writing, each machine"]) * arguments.machines
    alone = sum(hours[name] for name in ("plan", "finish", "verify, one machine", "join"))
    return {
        "samples": samples, "dim": arguments.dim, "terabytes": round(size / 1e12, 3), "shards": shards,
        "hours": {name: round(value, 2) for name, value in hours.items()},
        "planner_memory_gb": round(samples * rates["finishing_memory_per_row"] / 1e9, 1),
        "parts": math.ceil(samples * rates["finishing_memory_per_row"] / 1e9 / arguments.memory),
        "price": {
            "teacher": round(machine_hours * arguments.gpu_price), "planning and checking": round(alone * arguments.cpu_price, 2),
            "storage a month": round(size / 1e9 * arguments.store_price), "training, one pass": round(hours["training, one pass"] * arguments.gpu_price),
        },
        "assumed": {name: getattr(arguments, name) for name in ("machines", "memory", "teacher_rate", "step", "batch", "cpu_price", "gpu_price", "store_price")},
    }  # fmt: skip


if __name__ == "__main__":
    main()
