"""The array of one shard: written once, and verified block by block."""

import hashlib
import io
import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aft.errors import BadFeatureError, name_some
from aft.features._commit import write_file
from aft.features._corrupt import corrupt, refuse_symlink
from aft.features._layout import BLOCK_BYTES, FORMAT
from aft.features._records import Dtype, File, ShardRecord, Statistics
from aft.features._samples import Sample


def header(rows: int, dim: int, dtype: Dtype) -> bytes:
    """The ``.npy`` header of a shard. Readers compare it as a whole instead of trusting its content."""
    buffer = io.BytesIO()
    description = np.dtype(dtype).newbyteorder("<").str
    np.lib.format.write_array_header_1_0(buffer, {"descr": description, "fortran_order": False, "shape": (rows, dim)})
    return buffer.getvalue()


def block_rows(dim: int, dtype: Dtype) -> int:
    """Number of rows per verified block."""
    return max(1, BLOCK_BYTES // (dim * np.dtype(dtype).itemsize))


def as_stored(features: NDArray[np.generic], samples: list[Sample], dim: int, dtype: Dtype) -> NDArray[np.generic]:
    """Check features and convert them to the store's type.

    Args:
        features: Features ``(rows, dim)``.
        samples: The samples of the rows, for error messages.
        dim: Width of the store.
        dtype: Type of the store.

    Returns:
        A contiguous little-endian array.

    Raises:
        BadFeatureError: The shape is wrong, or a value is NaN, infinite or beyond the range of the type.
    """
    if features.ndim != 2 or features.shape != (len(samples), dim) or features.dtype.kind not in "fiu":
        raise BadFeatureError(
            f"features of a shard must be numbers of shape ({len(samples)}, {dim}); received {features.dtype} "
            f"{features.shape}; provide one vector per sample"
        )
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        bad = [samples[i].id for i in np.flatnonzero(~finite)]
        raise BadFeatureError(
            f"features must be finite; received NaN or infinity for {len(bad)} of {len(samples)} samples, "
            f"ids {name_some(bad)}; check these inputs, or run the teacher with precision='fp32'"
        )
    fits = (np.abs(features) <= np.finfo(dtype).max).all(axis=1)
    if not fits.all():
        bad = [samples[i].id for i in np.flatnonzero(~fits)]
        remedy = "store them with dtype='float32'" if dtype == "float16" else "scale them down, or check these inputs"
        raise BadFeatureError(
            f"{dtype} represents values up to {np.finfo(dtype).max:g}; received larger ones for ids {name_some(bad)}; {remedy}"
        )
    return np.ascontiguousarray(features, dtype=np.dtype(dtype).newbyteorder("<"))


def write_shard(path: Path, number: int, array: NDArray[np.generic], dtype: Dtype, ids: File) -> ShardRecord:
    """Write the data of a shard and describe it. The shard is committed when the caller writes the record.

    Args:
        path: Target of the data.
        number: Number of the shard.
        array: Features ``(rows, dim)``, from `as_stored`.
        dtype: Type of the store.
        ids: Size and digest of the shard's id file.

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
        format=FORMAT,
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


def verify_shard(path: Path, record: ShardRecord) -> None:
    """Verify every block of a shard.

    Raises:
        CorruptStoreError: A block, the size or the header is not what was written.
    """
    check_size_and_header(path, record)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as content,
    ):
        for block in range(len(record.blocks)):
            check_block(path, record, content, block)


def check_block(path: Path, record: ShardRecord, content: memoryview, block: int) -> None:
    """Verify a block.

    Args:
        path: The data file, for the error message.
        record: Its commit record.
        content: The bytes of the file.
        block: Number of the block.

    Raises:
        CorruptStoreError: It is not what was written.
    """
    size = record.block_rows * record.dim * np.dtype(record.dtype).itemsize
    start = len(header(record.rows, record.dim, record.dtype)) + block * size
    with content[start : start + size] as part:
        received = hashlib.sha256(part).hexdigest()
    if received != record.blocks[block]:
        raise corrupt(path, f"does not match its checksum in the block at row {block * record.block_rows}")


def check_size_and_header(path: Path, record: ShardRecord) -> None:
    """Compare the size and the header of a data file with its record.

    Raises:
        CorruptStoreError: They differ, the file is missing, or it is not a regular file.
    """
    expected = header(record.rows, record.dim, record.dtype)
    rows_per_block = block_rows(record.dim, record.dtype)
    size = len(expected) + record.rows * record.dim * np.dtype(record.dtype).itemsize
    if (
        record.data.bytes != size
        or record.block_rows != rows_per_block
        or len(record.blocks) != -(-record.rows // rows_per_block)
    ):
        raise corrupt(path, "has an inconsistent commit record")
    refuse_symlink(path)
    try:
        received = path.stat().st_size
        if received != size:
            raise corrupt(path, f"should be {size} bytes long but is {received}")
        with path.open("rb") as file:
            if file.read(len(expected)) != expected:
                raise corrupt(path, "has a corrupt header")
    except FileNotFoundError as error:
        raise corrupt(path, "is missing") from error
