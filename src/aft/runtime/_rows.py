"""Rows of a file, one after the other, so that files of any size are read in constant memory."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from aft.data import LONGEST_CELL, TableFile
from aft.errors import DataError, MissingExtraError, UnknownColumnError, did_you_mean

DELIMITERS = {".csv": ",", ".tsv": "\t"}
#: Rows of a Parquet file that are read together.
ROWS = 256


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        number: Its number, from 1 on; the header does not count.
        values: Its cells by column.
        error: Why it cannot be used; None if it can.
    """

    number: int
    values: dict[str, Any]
    error: str | None = None


def read_rows(location: str | Path, needed: list[str]) -> Iterator[Row]:
    """Read the rows of a file.

    Args:
        location: A ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file, or its address in object storage.
        needed: Columns that it must have.

    Yields:
        Its rows. A row that is malformed says so, and does not end the reading.

    Raises:
        DataError: The file is missing or of another kind, or a column is missing.
        MissingExtraError: A Parquet file, and pyarrow is not installed.
    """
    suffix = Path(location).suffix.lower()
    if suffix not in (*DELIMITERS, ".jsonl", ".parquet"):
        raise DataError(
            f"rows are read from a .csv, .tsv, .jsonl or .parquet file; received {Path(location).name!r}; convert it, or change its name"
        )
    path = TableFile(location)
    reader = {".jsonl": _json_lines, ".parquet": _parquet}.get(suffix)
    yield from reader(path, needed) if reader else _delimited(path, needed, DELIMITERS[suffix])


def check_columns(path: TableFile, present: list[str], needed: list[str]) -> None:
    """Check that a file has the columns that are needed.

    Raises:
        UnknownColumnError: It lacks one.
    """
    for column in needed:
        if column not in present:
            raise UnknownColumnError(f"{str(path)!r} has no column {column!r}{did_you_mean(column, present)}", column)


def _delimited(path: TableFile, needed: list[str], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    # What is not UTF-8 becomes lone surrogates, which no text may hold, so that the row is reported and the next one is read.
    with path.open_text(errors="surrogateescape") as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        header = next(rows, None)
        if header is None:
            raise DataError(f"a table has a header; {str(path)!r} is empty; check the file")
        check_columns(path, header, needed)
        number = 0
        while True:
            number += 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(number, {}, f"the row is not well-formed CSV ({error})")
                continue
            if not cells:
                number -= 1  # an empty line
            elif len(cells) != len(header):
                kept = dict(zip(header, cells, strict=False))
                yield Row(number, kept, f"the row has {len(cells)} cells, and the header {len(header)}")
            else:
                yield Row(number, dict(zip(header, cells, strict=True)))


def _json_lines(path: TableFile, needed: list[str]) -> Iterator[Row]:
    with path.open() as file:
        number, checked = 0, False
        for line in file:
            if not line.strip():
                continue
            number += 1
            try:
                values = json.loads(line)
                wrong = None if isinstance(values, dict) else "the line is not a JSON object"
            except ValueError as error:
                values, wrong = {}, f"the line is not JSON ({str(error).splitlines()[0]:.80})"
            if wrong is None and not checked:
                checked = True
                check_columns(path, list(values), needed)
            yield Row(number, values if isinstance(values, dict) else {}, wrong)


def _parquet(path: TableFile, needed: list[str]) -> Iterator[Row]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files are read by pyarrow, which is not installed; run pip install 'adaptive-feature-transfer[tables]'"
        ) from error
    with path.open(parts=True) as content:
        try:
            table = parquet.ParquetFile(content, pre_buffer=True)
        except Exception as error:
            raise DataError(
                f"{str(path)!r} is not a readable Parquet file ({str(error).splitlines()[0]:.80}); check it"
            ) from error
        check_columns(path, table.schema_arrow.names, needed)
        number = 0
        for batch in table.iter_batches(ROWS, columns=needed):
            for values in batch.to_pylist():
                number += 1
                yield Row(number, values)
