"""Columns of CSV, TSV, JSON Lines and Parquet files, of data frames and of Arrow tables."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aft.data._by_position import by_position
from aft.data._cells import Cells, Columns, build_all
from aft.data._strings import Strings
from aft.data._table_file import TableFile
from aft.data._targets import is_missing
from aft.errors import DataError, MissingExtraError, UnknownColumnError, did_you_mean, name_some

#: Longest cell of a CSV file in characters. Without a limit, an unclosed quote would silently swallow the
#: remaining rows.
LONGEST_CELL = 10_000_000
#: A Parquet file is rejected as a decompression bomb if it decompresses to more than this many bytes and, at
#: the same time, to more than this many times its own size.
LARGEST_SIZE, LARGEST_RATIO = 1 << 30, 200
#: Row groups of a Parquet file are fetched together up to this many bytes, of all columns.
FETCHED = 64 << 20
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def read_columns(location: str | Path, wanted: Sequence[str]) -> Columns:
    """Read some columns of a table.

    Args:
        location: A file whose name ends in one of `SUFFIXES`, or its address in object storage. Of a Parquet file there, only the
            wanted columns are fetched.
        wanted: Names of the columns.

    Returns:
        The cells of each column, by name; all columns have the same length. A missing cell is None, or ``""``
        in CSV.

    Raises:
        DataError: The file or a column does not exist, the format is unknown, a row is damaged, or there are
            no rows.
        MissingExtraError: The package for Parquet, or for the kind of address, is not installed.
    """
    path = TableFile(location)
    suffix = path.suffix
    if suffix not in SUFFIXES:
        raise DataError(
            f"a table's name ends in one of {', '.join(SUFFIXES)}; received {path.name!r}; convert the file"
        )
    try:
        if suffix == ".parquet":
            columns = _read_parquet(path, wanted)
        elif suffix in (".jsonl", ".ndjson"):
            columns = _read_jsonl(path, wanted)
        else:
            columns = _read_csv(path, wanted, "\t" if suffix == ".tsv" else None)
    except UnicodeDecodeError as error:
        raise DataError(
            f"a table is UTF-8 text; {str(path)!r} is not, at byte {error.start}; convert it, for example with iconv"
        ) from error
    if not next(iter(columns.values())):
        raise DataError(f"a table needs at least one row; {str(path)!r} has none; check the file")
    return columns


def frame_columns(frame: Any, wanted: Sequence[str]) -> Columns:
    """Read some columns of a pandas or polars data frame, of an Arrow table, or of a dict of lists.

    Args:
        frame: The table.
        wanted: Names of the columns.

    Returns:
        The cells of each column, by name. A missing cell is None.

    Raises:
        DataError: Another type of object, a missing column, or no rows.
    """
    if isinstance(frame, dict):
        _require("dict", wanted, list(frame))
        return {
            column: frame[column] if isinstance(frame[column], Strings) else list(frame[column]) for column in wanted
        }
    if not hasattr(frame, "columns") or not hasattr(frame, "shape"):
        raise DataError(
            f"a table is a file, a data frame of pandas or polars, or an Arrow table; received {type(frame).__name__}; "
            "convert it, or use Dataset.from_arrays"
        )
    names = list(frame.column_names if hasattr(type(frame), "column_names") else frame.columns)
    _require(type(frame).__name__, wanted, names)
    found: Columns = {
        column: [None if is_missing(cell) else cell for cell in by_position(frame[column], column)] for column in wanted
    }
    columns = _with_class_names(found, getattr(getattr(frame, "schema", None), "metadata", None))
    if not next(iter(columns.values())):
        raise DataError("a table needs at least one row; received an empty one; check the data")
    return columns


def column_names(path: Path) -> list[str]:
    """Names of the columns of a Parquet file."""
    parquet, pyarrow = _import_parquet()
    try:
        return list(parquet.read_schema(path).names)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _import_parquet() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet needs pyarrow, which is not installed; run pip install 'adaptive-feature-transfer[tables]'"
        ) from error
    return parquet, pyarrow


def _unreadable(path: TableFile | Path, error: Exception) -> DataError:
    return DataError(f"{str(path)!r} is not a readable Parquet file ({name_some([str(error)])}); write it again")


def _require(table: TableFile | str, wanted: Sequence[str], present: Sequence[str]) -> None:
    for column in wanted:
        if column not in present:
            known = did_you_mean(column, [str(name) for name in present])
            raise UnknownColumnError(f"{str(table)!r} has no column {column!r}{known}", column)
        if list(present).count(column) > 1:
            raise DataError(f"columns have different names; {str(table)!r} has several named {column!r}; rename them")


def _read_csv(path: TableFile, wanted: Sequence[str], delimiter: str | None) -> Columns:
    with path.open_text() as file:
        start = file.readline()
        if not start.strip():
            raise DataError(f"a table starts with a row of column names; {str(path)!r} is empty; check the file")
        before = csv.field_size_limit(LONGEST_CELL)
        file.seek(0)
        try:
            reader = csv.reader(file, delimiter=delimiter or _delimiter(start, wanted), strict=True)
            names = next(reader)
            _require(path, wanted, names)
            positions = [names.index(column) for column in wanted]
            columns = {column: Cells() for column in wanted}
            for row in reader:
                if not row:
                    continue
                if len(row) != len(names):
                    raise DataError(
                        f"every row of a table needs one cell per column; line {reader.line_num} of {str(path)!r} "
                        f"has {len(row)} cells for {len(names)} columns; quote cells that contain the delimiter"
                    )
                for column, position in zip(wanted, positions, strict=True):
                    columns[column].append(row[position])
        except csv.Error as error:
            raise DataError(
                f"{str(path)!r} is not well-formed CSV ({error}, line {reader.line_num}); check its quotation marks"
            ) from error
        finally:
            csv.field_size_limit(before)
    return build_all(columns)


def _delimiter(header: str, wanted: Sequence[str]) -> str:
    """The delimiter that splits a header into the most of the wanted names."""

    def found(mark: str) -> int:
        try:
            return len(set(next(csv.reader([header], delimiter=mark))) & set(wanted))
        except csv.Error:
            return 0

    return max(",;\t|", key=found)


def _read_jsonl(path: TableFile, wanted: Sequence[str]) -> Columns:
    columns = {column: Cells() for column in wanted}
    present: dict[str, None] = {}
    with path.open_text() as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"every line of {path.name!r} must be a JSON object; line {number} is not ({error}); check the file"
                ) from error
            if not isinstance(row, dict):
                raise DataError(
                    f"every line of {path.name!r} must be a JSON object; line {number} is {line[:40]!r}; check the file"
                )
            present.update(dict.fromkeys(row))
            for column in wanted:
                columns[column].append(row.get(column))
    if present:
        _require(path, wanted, list(present))
    return build_all(columns)


def _read_parquet(path: TableFile, wanted: Sequence[str]) -> Columns:
    parquet, pyarrow = _import_parquet()
    try:
        with path.open(parts=True) as content, parquet.ParquetFile(content, pre_buffer=True) as file:
            _require(path, wanted, file.schema_arrow.names)
            columns = {column: Cells() for column in wanted}
            decompressed, most = 0, max(LARGEST_SIZE, LARGEST_RATIO * path.size)
            for batch in _batches(file, wanted):
                cells = [batch.column(column) for column in wanted]
                cells = [c.dictionary_decode() if pyarrow.types.is_dictionary(c.type) else c for c in cells]
                decompressed += sum(part.nbytes for part in cells)
                if decompressed > most:
                    raise DataError(
                        f"a Parquet file must not decompress to many times its size; {str(path)!r} of "
                        f"{path.size:,} bytes decompresses to more than {most:,}; check it for repeated "
                        "values, or convert it to JSON Lines"
                    )
                for column, part in zip(wanted, cells, strict=True):
                    columns[column].extend(part.to_pylist())
            metadata = file.schema_arrow.metadata
    except MemoryError as error:
        raise DataError(
            f"the cells of a table must fit into memory; one of {str(path)!r} does not; check it for repeated "
            "values, or convert it to JSON Lines"
        ) from error
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error
    return _with_class_names(build_all(columns), metadata)


def _batches(file: Any, wanted: Sequence[str]) -> Iterator[Any]:
    """The rows of a Parquet file in small batches. Some row groups are fetched at a time: all at once fill the memory."""
    groups: list[int] = []
    size = 0
    for group in range(file.num_row_groups):
        groups.append(group)
        size += file.metadata.row_group(group).total_byte_size
        if size > FETCHED or group == file.num_row_groups - 1:
            yield from file.iter_batches(128, row_groups=groups, columns=list(wanted))
            groups, size = [], 0


def _with_class_names(columns: Columns, metadata: Any) -> Columns:
    """The columns with the names of classes instead of their indices, where the metadata has them."""
    names = _class_names(metadata if isinstance(metadata, dict) else None)
    named = {
        column: [_class_name(value, names[column]) for value in columns[column]]
        for column in columns.keys() & names.keys()
    }
    return {**columns, **named}


def _class_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of the classes of columns, where a Hugging Face dataset has stored them in its Parquet files."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        labels = {
            column: feature["names"] for column, feature in features.items() if feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {column: names for column, names in labels.items() if isinstance(names, list)}


def _class_name(value: Any, names: list[str]) -> Any:
    """The name of a class index; None for -1, which stands for no label."""
    if not isinstance(value, int) or value >= len(names):
        return value
    return None if value < 0 else names[value]
