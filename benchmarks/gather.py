"""Compare reading a random batch from a store with indexing an array in memory.

The last line is one JSON object.
"""

import argparse
import json
import statistics
import tempfile
import time

import numpy as np

from aft.features import Sample, StoreWriter

BATCHES, ROUNDS = 400, 5


def main() -> None:
    """Read random batches from a synthetic float16 store, first with blocks to verify, then with verified blocks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=256)
    arguments = parser.parse_args()
    rows_of_all, dim, size = arguments.rows, arguments.dim, arguments.batch
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        ids = [f"id-{i}" for i in range(rows_of_all)]
        samples = [Sample(i, "") for i in ids]
        writer = StoreWriter.plan(f"{folder}/t", name="t", fingerprint={}, dim=dim, samples=samples)
        array = np.empty((rows_of_all, dim), dtype=np.float16)
        done = 0
        for shard in writer.pending():
            part = array[done : done + writer.rows(shard)]
            part[:] = generator.standard_normal(part.shape, dtype=np.float32)
            writer.commit(shard, part)
            done += len(part)
        store = writer.finish()
        start = time.perf_counter()
        rows = store.rows(ids)
        resolving = time.perf_counter() - start

        def timed(read: object) -> float:
            batches = [generator.integers(0, rows_of_all, size) for _ in range(BATCHES)]
            start = time.perf_counter()
            for batch in batches:
                read(batch)  # type: ignore[operator]
            return (time.perf_counter() - start) / BATCHES

        first = timed(lambda batch: store.take(rows[batch]))
        store.verify()
        measured = [(timed(lambda b: store.take(rows[b])), timed(lambda b: array[b])) for _ in range(ROUNDS)]
        store_seconds, array_seconds = (statistics.median(column) for column in zip(*measured, strict=True))
    result = {
        "benchmark": "gather",
        "rows": rows_of_all,
        "dim": dim,
        "batch": size,
        "shards": len(store.records),
        "first_reads_us": round(first * 1e6),
        "store_us": round(store_seconds * 1e6),
        "array_us": round(array_seconds * 1e6),
        "ratio": round(statistics.median(a / b for a, b in measured), 2),
        "finding_all_ids_seconds": round(resolving, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
