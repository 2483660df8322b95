"""Measure how long it takes to open a store of ten million rows of 768 float16 values, in 153 shards.

The features are zeros in files with holes, which take no space on the disk; ids, records, index and manifest are those of a real store.
Opening reads and verifies all small files, and the size and header of every shard. The last line is one JSON object.
"""

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from aft.data import Digests, Strings
from aft.features import FeatureStore, Samples, StoreWriter
from aft.features._layout import FORMAT, Layout
from aft.features._records import File, ShardRecord, Statistics
from aft.features._shard import block_rows, header

DIM, REPEATS = 768, 7


def main() -> None:
    """Create the store, and open it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        samples = Samples(
            Strings.of(f"sample-{n:010d}" for n in range(rows)), Digests.of(f"{n:032x}" for n in range(rows))
        )
        location = Path(folder) / "t"
        writer = StoreWriter.plan(location, name="t", fingerprint={"model": "zeros"}, dim=DIM, samples=samples)
        for shard in writer.pending():
            _commit_zeros(Layout(location), writer, shard)
        started = time.perf_counter()
        writer.finish()
        finished = time.perf_counter() - started
        seconds = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            store = FeatureStore.open(location)
            seconds.append(time.perf_counter() - started)
        assert not store[["sample-0000000007"]].any()
    print(
        json.dumps(
            {
                "benchmark": "opening", "rows": rows, "shards": len(store.records), "seconds": round(statistics.median(seconds), 4),
                "finish_seconds": round(finished, 1),
            }
        )
    )  # fmt: skip


def _commit_zeros(layout: Layout, writer: StoreWriter, shard: int) -> None:
    """Commit a shard of zeros without writing them."""
    rows, start = writer.rows(shard), header(writer.rows(shard), DIM, "float16")
    path = layout.data(shard)
    path.write_bytes(start)
    os.truncate(path, len(start) + rows * DIM * 2)
    step = block_rows(DIM, "float16")
    sizes = [min(step, rows - first) * DIM * 2 for first in range(0, rows, step)]
    digests = {size: hashlib.sha256(bytes(size)).hexdigest() for size in set(sizes)}
    ids = layout.ids(shard).read_bytes()
    ShardRecord(
        format=FORMAT, number=shard, rows=rows, dim=DIM, dtype="float16",
        ids=File(bytes=len(ids), sha256=hashlib.sha256(ids).hexdigest()),
        data=File(bytes=path.stat().st_size, sha256="0" * 64), block_rows=step, blocks=[digests[size] for size in sizes],
        statistics=Statistics(minimum=0.0, maximum=0.0, mean=0.0, zero_rows=rows),
    ).write(layout.record(shard))  # fmt: skip


if __name__ == "__main__":
    main()
