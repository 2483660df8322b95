"""Rows of JSON in a file that only grows, a line each: what an interruption cuts off is one row."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows that are whole; none where there is no file.

    Args:
        path: The file.

    Returns:
        The rows, in the order written.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # the line that an interruption cut off
        if isinstance(row, dict):
            rows.append(row)
    return rows


def add_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row; it is on disk when this returns.

    Args:
        path: The file, made with its folder where missing.
        row: JSON values.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # a line was cut off: this one must not be joined to it
        file.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))
        file.flush()
        os.fsync(file.fileno())
