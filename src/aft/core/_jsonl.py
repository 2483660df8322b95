"""JSON lines in append-only files: an interrupted write costs the last line at most."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read the complete rows of a file.

    Args:
        path: The file. It need not exist.

    Returns:
        The rows in the order in which they were written. Lines that are not JSON objects are skipped.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line.decode("utf-8", "surrogatepass"))
        except ValueError:
            continue  # cut off by an interruption, or damaged
        if isinstance(row, dict):
            rows.append(row)
    return rows


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row. It is on disk when this function returns.

    Args:
        path: The file. It is created, with its directory, if it does not exist.
        row: JSON values.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # the last line was cut off: do not append to it
        file.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))
        file.flush()
        os.fsync(file.fileno())
