"""How much memory do the ranks of torchrun on one machine take for a large table?

A Parquet table of texts, ids and labels is written for 10,000 rows and for ``--rows``. Two ranks extract features of it by a small
teacher and train a student on it: rank 0 reads the table and plans, and the other one maps what it has read. What counts is the
largest memory of each rank's own (RssAnon) for the large table beyond that for the small one. A rank has the samples of a shard in
memory, so shards are equally large in both. The last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from resident import Resident

SMALL, SHARD, WIDTH, STEPS = 10_000, 2048, 8, 20
TEACHER = f"python:{Path(__file__).stem}:teacher"


def main() -> None:
    """Run both sizes, each in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000, help="rows of the large table")
    parser.add_argument("--rank", type=Path, metavar="FOLDER", help="used by the script itself")
    arguments = parser.parse_args()
    if arguments.rank:
        _rank(arguments.rank)
        return
    sizes = (SMALL, arguments.rows)
    small, large = (_measure(rows) for rows in sizes)
    more = {
        phase: [round(after[phase] - before[phase], 1) for before, after in zip(small, large, strict=True)]
        for phase in small[0]
    }
    rows = arguments.rows - SMALL
    print(json.dumps({
        "benchmark": "ranks", "rows": arguments.rows, "small_mb": small, "large_mb": large, "more_mb_by_rank": more,
        "bytes_a_row_in_rank_0": round(1e6 * more["extraction"][0] / rows, 1), "more_mb_in_the_other": more["extraction"][1],
    }))  # fmt: skip


def _measure(rows: int) -> list[dict[str, float]]:
    """The largest memory of each rank in MB, by phase."""
    with tempfile.TemporaryDirectory() as folder:
        _write_table(Path(folder) / "table.parquet", rows)
        launcher = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            "--no-python",
        ]
        subprocess.run([*launcher, sys.executable, __file__, "--rank", folder], check=True)
        return [json.loads((Path(folder) / f"rank-{number}.json").read_text()) for number in range(2)]


def _write_table(path: Path, rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("label", pa.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 50_000):
            numbers = range(start, min(start + 50_000, rows))
            texts = [f"a text of some words, number {n:010d} and {n % 977}" for n in numbers]
            labels = [("bad", "good")[n // 8 % 2] if n % 8 == 0 else None for n in numbers]
            writer.write_table(pa.table([[f"id{n:010d}" for n in numbers], texts, labels], schema=schema))


def teacher() -> tuple[Any, Any]:
    """A python: factory of a teacher that takes next to no time."""
    import torch

    torch.manual_seed(0)  # every rank loads the same one
    return torch.nn.Linear(WIDTH, WIDTH), lambda text: torch.tensor([float(len(text))] * WIDTH)


def _rank(folder: Path) -> None:
    """What a rank of ``aft extract`` and ``aft train`` does, watched."""
    import aft
    from aft.core import once_per_machine, rank

    measured = {}
    with Resident() as memory:
        dataset = once_per_machine(
            lambda: aft.Dataset.from_table(folder / "table.parquet", text="text", id="id", label="label")
        )
        measured["reading"] = memory.largest()["anonymous_mb"]
        store = aft.extract(
            dataset, TEACHER, name="t", out=folder, shard_rows=SHARD, batch_size=1024, threads=1, progress=False
        )
        measured["extraction"] = memory.largest()["anonymous_mb"]
        aft.train(
            dataset, "aft:transformer,width=32,vocabulary=1000", [store], out=folder / "run", beta=1.0, steps=STEPS,
            progress=False,
        )  # fmt: skip
        measured["training"] = memory.largest()["anonymous_mb"]
    (folder / f"rank-{rank()}.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
