"""Read vectors from ``.npy``, Parquet or JSON lines files of other tools. No code from a file is ever run."""

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.errors import MissingExtraError, StoreError, UsageError, did_you_mean, name_some

Array = NDArray[Any]
log = logging.getLogger("aft")

#: Names of columns that hold labels, and not features.
NOT_FEATURES = ("label", "labels", "target", "targets", "class", "y", "split")
#: Rows that are decoded at once.
CHUNK = 4096


class VectorFile(ABC):
    """Vectors and their ids, in the order of the file.

    Attributes:
        ids: The id of each vector.
        dim: Width of the vectors.
    """

    ids: list[str]
    dim: int

    @abstractmethod
    def chunks(self) -> Iterator[Array]:
        """Yield the vectors in order, as arrays ``(n, dim)``."""


def open_vectors(path: Path, ids: Path | None, id_field: str, vector_field: str | None) -> VectorFile:
    """Open a file of vectors according to its suffix.

    Args:
        path: A ``.npy``, ``.parquet``, ``.jsonl`` or ``.ndjson`` file.
        ids: Text file of ids, required for an array and refused for other files.
        id_field: Column or field of ids.
        vector_field: Column or field of vectors, or None to find it.

    Returns:
        The vectors.

    Raises:
        StoreError: The file does not have a supported format, or a vector is not a list of numbers.
        UsageError: Ids are missing or given twice, or a field does not exist.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if ids is None:
            raise UsageError(
                f"an array contains no ids; received {str(path)!r} without ids; name a text file of ids with ids="
            )
        return _NumpyFile(path, ids)
    kinds: dict[str, type[_ParquetFile | _JsonLinesFile]] = {
        ".parquet": _ParquetFile, ".jsonl": _JsonLinesFile, ".ndjson": _JsonLinesFile,
    }  # fmt: skip
    if suffix not in kinds:
        raise StoreError(
            f"imported features must be a .npy array, a .parquet table or .jsonl lines; received {str(path)!r}; "
            "save them in one of these formats"
        )
    if ids is not None:
        raise UsageError(
            f"a {suffix} file contains its ids, in the field that id= names; received ids= as well; omit ids="
        )
    return kinds[suffix](path, id_field, vector_field)


class _NumpyFile(VectorFile):
    """An array, with its ids in a text file."""

    def __init__(self, path: Path, ids: Path) -> None:
        try:
            array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise StoreError(f"imported features are a file; there is no file {str(path)!r}; check the path") from error
        except (OSError, ValueError, EOFError) as error:
            raise StoreError(
                f"imported features must be a .npy array of numbers; {str(path)!r} is not ({error}); "
                "save it with numpy.save"
            ) from error
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu":
            raise StoreError(
                f"imported features must be an (N, D) array of numbers; received the shape {getattr(array, 'shape', '?')} of "
                f"{getattr(array, 'dtype', type(array).__name__)}; save it with numpy.save"
            )
        self._array = array
        self.dim = array.shape[1]
        self.ids = _read_ids(ids)
        if len(self.ids) != len(array):
            raise UsageError(
                f"every row needs exactly one id; received {len(array)} rows and {len(self.ids)} ids; "
                f"check {str(ids)!r}"
            )

    def chunks(self) -> Iterator[Array]:
        for start in range(0, len(self._array), CHUNK):
            yield np.asarray(self._array[start : start + CHUNK])


def _read_ids(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UsageError(f"ids are a file; there is no file {str(path)!r}; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"ids must be a UTF-8 text file with one id per line; {str(path)!r} is not ({error}); check the path"
        ) from error
    if "" in lines:
        raise UsageError(f"every row needs an id; line {lines.index('') + 1} of {str(path)!r} is empty; fill it in")
    try:
        return [str(json.loads(line)) if line.startswith('"') else line for line in lines]
    except ValueError as error:
        raise UsageError(
            f"an id that starts with a quotation mark must be a JSON string; a line of {str(path)!r} is not ({error}); "
            "quote the whole line"
        ) from error


class _ParquetFile(VectorFile):
    """A table with one column of lists, or one column of numbers per dimension."""

    def __init__(self, path: Path, id_field: str, vector_field: str | None) -> None:
        try:
            import pyarrow
            from pyarrow import parquet, types
        except ImportError as error:
            raise MissingExtraError(
                "Parquet needs pyarrow, which is not installed; run pip install 'adaptive-feature-transfer[tables]'"
            ) from error
        self._path = path
        try:
            self._file = parquet.ParquetFile(path)
            schema = self._file.schema_arrow
            if id_field not in schema.names:
                raise UsageError(f"{str(path)!r} has no column {id_field!r}{did_you_mean(id_field, schema.names)}")
            lists = [f.name for f in schema if types.is_list(f.type) or types.is_large_list(f.type) or types.is_fixed_size_list(f.type)]  # fmt: skip
            numbers = [f.name for f in schema if f.name != id_field and (types.is_floating(f.type) or types.is_integer(f.type))]  # fmt: skip
            if vector_field is not None and vector_field not in schema.names:
                raise UsageError(
                    f"{str(path)!r} has no column {vector_field!r}{did_you_mean(vector_field, schema.names)}"
                )
            if vector_field is None and len(lists) > 1:
                raise UsageError(
                    f"vectors must be in one column of lists; {str(path)!r} has {name_some(lists, 8)}; "
                    "name the column with vector="
                )
            self._list = vector_field or (lists[0] if lists else None)
            self._columns = [self._list] if self._list else numbers
            if not self._list:
                _check_names(numbers, path)
            if not self._columns or (self._list and self._list not in lists):
                raise UsageError(
                    f"vectors must be a column of lists of numbers, or one column of numbers per dimension; "
                    f"{str(path)!r} has {name_some(schema.names, 8)}; name the column with vector="
                )
            ids = self._file.read(columns=[id_field]).column(id_field).to_pylist()
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError) as error:
            raise _unreadable_parquet(path, error) from error
        self.ids = _check_ids(ids, path)
        self.dim = len(self._columns)
        if self._list and self.ids:
            first = next(self._file.iter_batches(1, columns=self._columns)).column(0)[0].as_py()
            self.dim = len(first or ())

    def chunks(self) -> Iterator[Array]:
        import pyarrow

        start = 0
        try:
            for batch in self._file.iter_batches(CHUNK, columns=self._columns):
                ids = self.ids[start : start + len(batch)]
                start += len(batch)
                yield self._vectors(batch, ids)
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise _unreadable_parquet(self._path, error) from error

    def _vectors(self, batch: Any, ids: list[str]) -> Array:
        for column in batch.columns:
            if column.null_count:
                bad = [name for name, valid in zip(ids, column.is_valid().to_pylist(), strict=True) if not valid]
                raise StoreError(
                    f"every sample needs a complete vector; ids {name_some(bad)} have missing values; fill or drop them"
                )
        if not self._list:
            order = {name: place for place, name in enumerate(batch.schema.names)}
            return np.stack(
                [batch.column(order[name]).to_numpy(zero_copy_only=False) for name in self._columns], axis=1
            )
        column = batch.column(0)
        lengths = np.array([len(value) for value in column])
        flat = column.flatten()
        bad = [name for name, length in zip(ids, lengths.tolist(), strict=True) if length != self.dim]
        if bad or flat.null_count:
            raise StoreError(
                f"every vector must have the width of the first, {self.dim}, and no missing values; "
                f"ids {name_some(bad or ids)} do not; check them"
            )
        values = flat.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "fiu":
            raise StoreError(f"vectors must contain numbers; {self._list!r} contains {flat.type}; convert it")
        rows: Array = values.reshape(len(column), self.dim)
        return rows


def _check_names(columns: list[str], path: Path) -> None:
    """Say which columns are taken for dimensions, and refuse those that are probably labels."""
    suspicious = [name for name in columns if name.lower() in NOT_FEATURES]
    if suspicious:
        raise UsageError(
            f"every column of numbers beside the ids is a dimension; {str(path)!r} has one named {suspicious[0]!r}, which would tell "
            "the label; remove it, or put the vectors into one column of lists"
        )
    log.info("the %d columns %s are the dimensions", len(columns), name_some(columns))


def _unreadable_parquet(path: Path, error: Exception) -> StoreError:
    reason = " ".join(str(error).split())[:120]
    return StoreError(f"{str(path)!r} is not a readable Parquet file ({reason}); write it again")


class _JsonLinesFile(VectorFile):
    """One JSON object per line. A field may be nested, for example ``response.body.data.0.embedding``."""

    def __init__(self, path: Path, id_field: str, vector_field: str | None) -> None:
        self._path = path
        self._field = vector_field
        self.ids = []
        self.dim = 0
        ids = []
        for number, row in self._rows():
            if self._field is None:
                self._field = _find_vector_field(row, path)
            vector = _read_vector(row, self._field, number, path)
            ids.append(_read_field(row, id_field, number, path))
            self.dim = self.dim or len(vector)
            if len(vector) != self.dim:
                raise StoreError(
                    f"every vector must have the width of the first, {self.dim}; line {number} of {str(path)!r} has "
                    f"{len(vector)} values; check this line"
                )
        self.ids = _check_ids(ids, path)
        if not ids:
            raise StoreError(f"imported features have at least one line; {str(path)!r} is empty; check the file")

    def chunks(self) -> Iterator[Array]:
        held: list[list[float]] = []
        for number, row in self._rows():
            held.append(_read_vector(row, self._field or "", number, self._path))
            if len(held) == CHUNK:
                yield np.array(held, dtype=np.float64)
                held = []
        if held:
            yield np.array(held, dtype=np.float64)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            with self._path.open(encoding="utf-8-sig") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        row = json.loads(line)
                        if not isinstance(row, dict):
                            raise ValueError(f"line {number} is not an object")
                        yield number, row
        except (ValueError, RecursionError) as error:
            raise StoreError(
                f"imported features must be UTF-8 lines of JSON objects; {str(self._path)!r} is not "
                f"({' '.join(str(error).split())[:120]}); write it again"
            ) from error
        except OSError as error:
            raise StoreError(
                f"imported features must be a readable file; received {error.strerror!r} for {str(self._path)!r}; "
                "check the path"
            ) from error


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(number) in (int, float) for number in value)


def _find_vector_field(row: dict[str, Any], path: Path) -> str:
    found = [name for name, value in row.items() if _is_vector(value)]
    if len(found) != 1:
        raise UsageError(
            f"exactly one field of a line must be a list of numbers; the first line of {str(path)!r} has "
            f"{len(found)} such fields among {name_some(row, 8)}; name the field with vector=, with dots for nested fields"
        )
    return found[0]


def _read_vector(row: dict[str, Any], field: str, number: int, path: Path) -> list[float]:
    value = _read_field(row, field, number, path)
    if not _is_vector(value):
        raise StoreError(
            f"vectors must be lists of numbers; field {field!r} in line {number} of {str(path)!r} is {value!r:.60}; "
            "check this line"
        )
    try:
        return [float(number) for number in value]
    except OverflowError as error:
        raise StoreError(
            f"vectors must contain finite numbers; line {number} of {str(path)!r} has a larger one; check this line"
        ) from error


def _read_field(row: dict[str, Any], field: str, number: int, path: Path) -> Any:
    if field in row:
        return row[field]
    value: Any = row
    for name in field.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise UsageError(f"line {number} of {str(path)!r} has no field {field!r}{did_you_mean(field, list(row))}")
    return value


def _check_ids(ids: list[Any], path: Path) -> list[str]:
    bad = [repr(value) for value in ids if isinstance(value, bool) or not isinstance(value, str | int) or value == ""]
    if bad:
        raise UsageError(
            f"ids must be strings or integers; {str(path)!r} has {len(bad)} other values, {name_some(bad)}; "
            "check the column"
        )
    return [str(value) for value in ids]
