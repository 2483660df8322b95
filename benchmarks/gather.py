"""Compare reading a batch from a store with indexing an array in memory."""

import json
import statistics
import tempfile
import time

import numpy as np

from aft.features import Sample, StoreWriter

ROWS, DIM, BATCH, BATCHES, ROUNDS = 100_000, 768, 128, 400, 5


def main() -> None:
    """Read random batches from a synthetic float16 store, first with blocks to verify, then with verified blocks."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        ids = [f"id-{i}" for i in range(ROWS)]
        writer = StoreWriter.plan(
            f"{folder}/t", name="t", fingerprint={}, dim=DIM, samples=[Sample(i, "") for i in ids], shard_rows=8192
        )
        array = generator.standard_normal((ROWS, DIM), dtype=np.float32).astype(np.float16)
        for shard in writer.pending():
            writer.commit(shard, array[shard * 8192 : (shard + 1) * 8192])
        store = writer.finish()
        start = time.perf_counter()
        rows = store.rows(ids)
        resolving = time.perf_counter() - start

        def timed(read: object) -> float:
            batches = [generator.integers(0, ROWS, BATCH) for _ in range(BATCHES)]
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
        "rows": ROWS,
        "dim": DIM,
        "batch": BATCH,
        "first_reads_us": round(first * 1e6),
        "store_us": round(store_seconds * 1e6),
        "array_us": round(array_seconds * 1e6),
        "ratio": round(statistics.median(a / b for a, b in measured), 2),
        "finding_all_ids_seconds": round(resolving, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
