"""How much memory does it take to read a table of texts with labels, and to divide it into splits?

A Parquet table of ids, texts and labels is read, half of it without a label, and divided as a training does: test and validation
samples held out, or those that a column names, with the search for leaks and the warnings about labels. Each size is measured in a
process of its own; the difference of two sizes gives the bytes a row, beside the characters of the texts. The last line is one JSON
object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from aft.data import Dataset, infer_targets, make_splits, sample_warnings
from scaling import TEXT, peak_memory

ROWS = 1_000_000


def main() -> None:
    """Measure two sizes, with splits held out and with splits given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the larger table")
    parser.add_argument("--child", nargs=2, metavar=("TABLE", "SPLITS"), help="used by the script itself")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measure(Path(arguments.child[0]), arguments.child[1])))
        return
    sizes = (arguments.rows // 5, arguments.rows)
    with tempfile.TemporaryDirectory() as folder:
        tables = [Path(folder) / f"{rows}.parquet" for rows in sizes]
        for table, rows in zip(tables, sizes, strict=True):
            _write_table(table, rows)
        found: dict[str, Any] = {"rows": arguments.rows}
        for splits in ("held out", "given"):
            small, large = (_child(table, splits) for table in tables)
            found[splits] = {
                name: round((large[name] - small[name]) / (sizes[1] - sizes[0]) - len(TEXT.format(0))) for name in small
            }
    print(json.dumps({"benchmark": "dataset_memory", "bytes_per_row": found}))


def _write_table(path: Path, rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    names = ("negative", "positive")
    with parquet.ParquetWriter(
        path, pa.schema({name: pa.string() for name in ("id", "text", "label", "split")})
    ) as writer:
        for start in range(0, rows, 50_000):
            numbers = range(start, min(start + 50_000, rows))
            columns = {
                "id": [f"sample-{n:010d}" for n in numbers], "text": [TEXT.format(n) for n in numbers],
                "label": [names[n // 2 % 2] if n % 2 else None for n in numbers],
                "split": ["test" if n % 10 == 1 else "train" for n in numbers],
            }  # fmt: skip
            writer.write_table(pa.table(columns))


def _child(table: Path, splits: str) -> dict[str, int]:
    command = [sys.executable, __file__, "--child", str(table), splits]
    measured: dict[str, int] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return measured


def _measure(table: Path, splits: str) -> dict[str, int]:
    """The peak of this process's memory after reading and after dividing."""
    named = {"split": "split"} if splits == "given" else {}
    dataset = Dataset.from_table(table, text="text", id="id", label="label", **named)
    dataset.verified()
    read = peak_memory()
    divided = make_splits(
        dataset, validation_fraction=0.2, test_fraction=0.2, seed=0, unlabelled="use", leakage="error"
    )
    targets = infer_targets(dataset, divided.train.tolist())
    assert dataset.labels is not None
    sample_warnings(targets, dataset.digests, dataset.labels)
    return {"reading": read, "dividing": peak_memory()}


if __name__ == "__main__":
    main()
