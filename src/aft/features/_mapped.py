"""The rows of all shards as one array: their files lie in one range of addresses, so that a batch is a single gather."""

import ctypes
import math
import mmap
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.errors import StoreError
from aft.features._records import ShardRecord
from aft.features._shard import check_block, check_size_and_header, header

#: A flag of mmap that Python has no name for; the same number on Linux and macOS.
MAP_FIXED = 0x10

_mmap = ctypes.CDLL(None, use_errno=True).mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]


class MappedShards:
    """The memory-mapped vectors of shards of one width and type. A block is verified before its first vector is returned.

    Args:
        paths: The data files, in the order of rows.
        records: Their commit records.
        views: Number K of vectors in a row.

    Raises:
        CorruptStoreError: The size or the header of a file is not what was written.
        StoreError: The system does not map so many files.
    """

    def __init__(self, paths: Sequence[Path], records: Sequence[ShardRecord], views: int) -> None:
        self._paths, self._records, self._views = paths, records, views
        dtype, dim = np.dtype(records[0].dtype).newbyteorder("<"), records[0].dim // views
        size = dim * dtype.itemsize
        before = len(header(records[0].rows, records[0].dim, records[0].dtype))
        # A file begins at a page. At a multiple of a vector's size, its vectors are in line with those of all others.
        unit = math.lcm(mmap.ALLOCATIONGRANULARITY, size)
        ends = np.cumsum([-(-record.data.bytes // unit) * unit for record in records])
        self._places = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        # Reserved first, so that what is mapped over it replaces nothing else. It goes with this object, whatever is in it.
        try:
            self._range = mmap.mmap(-1, int(ends[-1]), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
        except OSError as error:
            raise _not_mapped(paths[0].parent, error.errno) from error
        start = np.frombuffer(self._range, np.uint8, count=1).ctypes.data
        for path, record, place in zip(paths, records, self._places.tolist(), strict=True):
            check_size_and_header(path, record)
            _map_file(path, record.data.bytes, start + place)
        count = (int(ends[-1]) - before) // size
        flat: NDArray[np.generic] = np.frombuffer(self._range, dtype, count=count * dim, offset=before)
        self._vectors = flat.reshape(count, dim)
        self._starts = np.cumsum([0, *(record.rows for record in records)])
        each = {record.rows for record in records[:-1]} | {max(record.rows for record in records)}
        #: Rows of every shard but the last, which may have fewer; None where they differ, as in a store that has been extended.
        self._each = each.pop() if len(each) == 1 else None
        #: By shard, what the place of a vector in the array is beyond its number among all vectors.
        self._gaps = self._places // size - self._starts[:-1] * views
        self._first_blocks = np.cumsum([0, *(len(record.blocks) for record in records)])
        self._verified = np.zeros(self._first_blocks[-1], dtype=bool)
        self._all_verified = False
        self._verifying = threading.Lock()  # a thread may prepare batches while another one validates

    def take(self, rows: NDArray[np.int64], views: NDArray[np.int64] | int) -> NDArray[Any]:
        """Read vectors.

        Args:
            rows: Rows ``(n,)``, all of them in the shards.
            views: The view of all of them, or of each, ``(n,)``.

        Returns:
            Vectors ``(n, D)``.

        Raises:
            CorruptStoreError: A block is not what was written.
        """
        # For a batch, the search takes a sixth of the time that its vectors do.
        shards = rows // self._each if self._each else self._starts.searchsorted(rows, side="right") - 1
        if not self._all_verified:
            blocks = self._first_blocks[shards] + (rows - self._starts[shards]) // self._records[0].block_rows
            unverified = blocks[~self._verified[blocks]]
            if unverified.size:
                self._verify(np.unique(unverified))
        vectors = rows if self._views == 1 else rows * self._views + views
        # The rows are in the shards; checking that again, NumPy would copy the vectors twice.
        found: NDArray[Any] = self._vectors.take(vectors + self._gaps[shards], axis=0, mode="clip")
        return found

    def verify(self) -> None:
        """Verify every block, again if it has been verified.

        Raises:
            CorruptStoreError: A block is not what was written.
        """
        self._verify(np.arange(len(self._verified)))

    def _verify(self, blocks: NDArray[np.int64]) -> None:
        """Verify blocks, numbered over all shards."""
        with self._verifying, memoryview(self._range) as everything:
            for block in blocks.tolist():
                shard = int(self._first_blocks.searchsorted(block, side="right")) - 1
                record, place = self._records[shard], int(self._places[shard])
                with everything[place : place + record.data.bytes] as content:
                    check_block(self._paths[shard], record, content, block - int(self._first_blocks[shard]))
                self._verified[block] = True
            self._all_verified = bool(self._verified.all())


def _map_file(path: Path, size: int, address: int) -> None:
    """Map a file to an address that has been reserved."""
    with path.open("rb") as file:
        found = _mmap(address, size, mmap.PROT_READ, mmap.MAP_SHARED | MAP_FIXED, file.fileno(), 0)
    if found != address:
        raise _not_mapped(path, ctypes.get_errno())


def _not_mapped(path: Path, reason: int | None) -> StoreError:
    return StoreError(
        f"the files of a store are mapped into memory; received {os.strerror(reason or 0)!r} for {str(path)!r}; raise the limit of the "
        "system (vm.max_map_count, ulimit -v), or extract with a larger shard_rows="
    )
