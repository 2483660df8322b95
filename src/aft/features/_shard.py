"""One shard's array on disk: written once, checked block by block when read."""

import hashlib
import io
import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aft.errors import BadFeatureError, CorruptStoreError, name_some
from aft.features._commit import write_file
from aft.features._layout import BLOCK_BYTES
from aft.features._records import Dtype, File, Sample, ShardRecord, Statistics


def header(rows: int, dim: int, dtype: Dtype) -> bytes:
    """The ``.npy`` header of a shard: readers compare it whole and never parse what a file claims of itself."""
    buffer = io.BytesIO()
    description = np.dtype(dtype).newbyteorder("<").str
    np.lib.format.write_array_header_1_0(buffer, {"descr": description, "fortran_order": False, "shape": (rows, dim)})
    return buffer.getvalue()


def block_rows(dim: int, dtype: Dtype) -> int:
    """Rows that are hashed together."""
    return max(1, BLOCK_BYTES // (dim * np.dtype(dtype).itemsize))


def as_stored(features: NDArray[np.generic], samples: list[Sample], dim: int, dtype: Dtype) -> NDArray[np.generic]:
    """Check features and convert them to the store's type.

    Args:
        features: ``(rows, dim)``.
        samples: Their samples, for naming.
        dim: Width that the store has.
        dtype: Type that the store has.

    Returns:
        A contiguous little-endian array.

    Raises:
        BadFeatureError: Another shape, NaN, infinity, or a value beyond the type's range.
    """
    if features.ndim != 2 or features.shape != (len(samples), dim) or features.dtype.kind not in "fiu":
        raise BadFeatureError(
            f"features of a shard must be numbers of shape ({len(samples)}, {dim}); received {features.dtype} {features.shape}; "
            "give one vector a sample"
        )
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        bad = [samples[i].id for i in np.flatnonzero(~finite)]
        raise BadFeatureError(
            f"features must be finite; received NaN or infinity for {len(bad)} of {len(samples)} samples, ids {name_some(bad)}; "
            "look at these inputs, or run the teacher with --precision fp32"
        )
    fits = (np.abs(features) <= np.finfo(dtype).max).all(axis=1)
    if not fits.all():
        bad = [samples[i].id for i in np.flatnonzero(~fits)]
        raise BadFeatureError(
            f"{dtype} holds values up to {np.finfo(dtype).max:g}; received larger ones for ids {name_some(bad)}; "
            "store them with --dtype float32"
        )
    return np.ascontiguousarray(features, dtype=np.dtype(dtype).newbyteorder("<"))


def write_shard(path: Path, number: int, array: NDArray[np.generic], dtype: Dtype, ids: File) -> ShardRecord:
    """Write a shard's data and describe it; the caller commits the record.

    Args:
        path: Where the data goes.
        number: The shard's number.
        array: ``(rows, dim)``, from `as_stored`.
        dtype: The store's type.
        ids: The shard's id file.

    Returns:
        The commit record.
    """
    rows, dim = array.shape
    step = block_rows(dim, dtype)
    raw = array.data.cast("B") if array.size else memoryview(b"")
    width = dim * array.dtype.itemsize
    blocks = [hashlib.sha256(raw[start * width : (start + step) * width]).hexdigest() for start in range(0, rows, step)]
    size, digest = write_file(path, [header(rows, dim, dtype), raw])
    return ShardRecord(
        format=1,
        number=number,
        rows=rows,
        dim=dim,
        dtype=dtype,
        ids=ids,
        data=File(bytes=size, sha256=digest),
        block_rows=step,
        blocks=blocks,
        statistics=Statistics(
            minimum=float(array.min()),
            maximum=float(array.max()),
            mean=float(array.mean(dtype=np.float64)),
            zero_rows=int((array == 0).all(axis=1).sum()),
        ),
    )


class ShardReader:
    """A shard's rows through a memory map, each block verified before its first row is given out.

    Args:
        path: The data file.
        record: Its commit record.

    Raises:
        CorruptStoreError: The file's size or header is not what was written.
    """

    def __init__(self, path: Path, record: ShardRecord) -> None:
        self.path = path
        self.record = record
        check_size_and_header(path, record)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._offset = len(header(record.rows, record.dim, record.dtype))
        self._rows: NDArray[np.generic] = np.frombuffer(
            self._map, dtype=np.dtype(record.dtype).newbyteorder("<"), offset=self._offset
        ).reshape(record.rows, record.dim)
        self._verified = np.zeros(len(record.blocks), dtype=bool)

    def take(self, rows: NDArray[np.int64], out: NDArray[np.generic], places: NDArray[np.int64]) -> None:
        """Copy rows into ``out[places]``.

        Raises:
            CorruptStoreError: A block is not what was written.
        """
        blocks = rows // self.record.block_rows
        if not self._verified[blocks].all():
            for block in np.unique(blocks[~self._verified[blocks]]):
                self._verify(int(block))
        out[places] = self._rows[rows]

    def verify(self) -> None:
        """Check every block."""
        for block in range(len(self.record.blocks)):
            self._verify(block)

    def _verify(self, block: int) -> None:
        width = self.record.dim * self._rows.dtype.itemsize
        start = self._offset + block * self.record.block_rows * width
        stop = min(start + self.record.block_rows * width, self.record.data.bytes)
        with memoryview(self._map) as whole, whole[start:stop] as part:
            received = hashlib.sha256(part).hexdigest()
        if received != self.record.blocks[block]:
            first = block * self.record.block_rows
            raise CorruptStoreError(
                f"{str(self.path)!r} is not what was written to it from row {first} on; restore it from a copy, or remove "
                "the store and extract again"
            )
        self._verified[block] = True


def check_size_and_header(path: Path, record: ShardRecord) -> None:
    """Compare a data file's size and header with its record.

    Raises:
        CorruptStoreError: They differ, or there is no such plain file.
    """
    expected = header(record.rows, record.dim, record.dtype)
    rows_per_block = block_rows(record.dim, record.dtype)
    size = len(expected) + record.rows * record.dim * np.dtype(record.dtype).itemsize
    if (
        record.data.bytes != size
        or record.block_rows != rows_per_block
        or len(record.blocks) != -(-record.rows // rows_per_block)
    ):
        raise CorruptStoreError(
            f"the record of {str(path)!r} contradicts itself; restore it from a copy or extract again"
        )
    try:
        if path.is_symlink():
            raise CorruptStoreError(
                f"a store's files are plain files; received a link at {str(path)!r}; copy the file there"
            )
        received = path.stat().st_size
        if received != size:
            raise CorruptStoreError(
                f"{str(path)!r} has {received} bytes where {size} were written; restore it from a copy or extract again"
            )
        with path.open("rb") as file:
            if file.read(len(expected)) != expected:
                raise CorruptStoreError(
                    f"the header of {str(path)!r} is not what was written; restore it from a copy or extract again"
                )
    except FileNotFoundError as error:
        raise CorruptStoreError(f"{str(path)!r} is missing; restore it from a copy or extract again") from error
