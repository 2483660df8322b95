"""The index from id to row: a memory-mapped array sorted by a 128-bit hash of the id.

An entry is five unsigned 64-bit numbers: two for the hash of the id, the row, the head of the input's digest,
and a checksum of these four, so that a flipped bit never leads to the features of another sample.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aft.core import file_sha256
from aft.features._corrupt import corrupt
from aft.features._records import File
from aft.features._samples import Sample

Words = NDArray[np.uint64]
#: Numbers per entry.
ENTRY = 5
#: Entries that are written, and ids that are looked up, at a time.
CHUNK = 1 << 16
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def hash_id(sample_id: str) -> bytes:
    """The 16 bytes by which an id is looked up."""
    return hashlib.blake2b(sample_id.encode("utf-8", "surrogatepass"), digest_size=16, person=b"aft-id").digest()


def hash_ids(ids: Iterable[str]) -> Words:
    """Hashes of ids, ``(n, 2)``."""
    raw = b"".join(map(hash_id, ids))
    return np.frombuffer(raw, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def digest_heads(digests: Sequence[str]) -> Words:
    """The first 64 bits of each input digest, ``(n,)``; 0 for an empty digest."""
    heads = (int(digest[:16], 16) if digest else 0 for digest in digests)
    return np.fromiter(heads, dtype=np.uint64, count=len(digests))


def _checksum(entries: Words) -> Words:
    mixed = np.zeros(entries.shape[1], dtype=np.uint64)
    for column in range(ENTRY - 1):
        mixed = (mixed ^ entries[column]) * _GOLDEN
        mixed ^= mixed >> np.uint64(29)
    return mixed


class NewIndex:
    """An index that is being built. Its parts are sorted while they are written, so that it is never in memory as a whole.

    Args:
        rows: Number of rows of the store.
    """

    def __init__(self, rows: int) -> None:
        self._hashes = np.empty((2, rows), dtype=np.uint64)
        self._heads = np.empty(rows, dtype=np.uint64)
        self._added = 0

    def add(self, samples: Sequence[Sample]) -> None:
        """Add the samples of the next rows."""
        place = slice(self._added, self._added + len(samples))
        self._hashes[:, place] = hash_ids(sample.id for sample in samples).T
        self._heads[place] = digest_heads([sample.digest for sample in samples])
        self._added += len(samples)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file."""
        yield index_header(self._added)
        order = self._order()
        for column in range(ENTRY):
            for start in range(0, self._added, CHUNK):
                yield self._column(column, order[start : start + CHUNK]).astype("<u8").tobytes()

    def _order(self) -> NDArray[np.int64]:
        """The rows in the order of the index, ``(n,)``."""
        order = np.argsort(self._hashes[0])
        for start in range(0, self._added, CHUNK):
            first = self._hashes[0, order[start : start + CHUNK + 1]]
            if (first[1:] == first[:-1]).any():  # practically never: the second halves decide, which takes more memory
                return np.lexsort((self._hashes[1], self._hashes[0]))
        return order

    def _column(self, number: int, rows: NDArray[np.int64]) -> Words:
        """One of the numbers of the entries of some rows, ``(n,)``."""
        if number < 2:
            halves: Words = self._hashes[number, rows]
            return halves
        if number == 2:
            return rows.astype(np.uint64)
        if number == 3:
            return self._heads[rows]
        return _checksum(np.stack([self._column(other, rows) for other in range(number)]))


class Index:
    """The index of an open store.

    Args:
        path: The index file, a ``.npy`` array ``(5, rows)``. A search reads one contiguous row of it.
        rows: Number of rows in the manifest.
        expected: Size and digest in the manifest.

    Raises:
        CorruptStoreError: The size or the header is not what was written.
    """

    def __init__(self, path: Path, rows: int, expected: File) -> None:
        self.path = path
        self._expected = expected
        prefix = index_header(rows)
        size = len(prefix) + rows * ENTRY * 8
        try:
            fits = not path.is_symlink() and path.stat().st_size == size == expected.bytes
            with path.open("rb") as file:
                fits = fits and file.read(len(prefix)) == prefix
        except FileNotFoundError as error:
            raise corrupt(path, "is missing") from error
        if not fits:
            raise corrupt(path)
        self._entries: Words = np.memmap(path, dtype="<u8", mode="r", offset=len(prefix), shape=(ENTRY, rows))

    def find(self, ids: Sequence[str]) -> tuple[NDArray[np.int64], Words]:
        """Look up samples.

        Args:
            ids: Ids in any order. Repeats are allowed.

        Returns:
            Rows ``(n,)``, -1 for an unknown id, and the heads of the input digests ``(n,)``.

        Raises:
            CorruptStoreError: An entry, or the file, is not what was written.
        """
        rows, heads = np.full(len(ids), -1, dtype=np.int64), np.zeros(len(ids), dtype=np.uint64)
        for start in range(0, len(ids), CHUNK):
            part = slice(start, start + CHUNK)
            rows[part], heads[part] = self._find(ids[part])
        if (rows < 0).any():
            self.verify()  # a flipped bit may have hidden an id: report the corrupt index, not an unknown id
        return rows, heads

    def _find(self, ids: Sequence[str]) -> tuple[NDArray[np.int64], Words]:
        wanted = hash_ids(ids)
        first = self._entries[0]
        position = np.searchsorted(first, wanted[:, 0], side="left")
        rows = np.full(len(wanted), -1, dtype=np.int64)
        heads = np.zeros(len(wanted), dtype=np.uint64)
        # The first halves of two hashes are practically never equal, so this loop runs once.
        open_ = np.ones(len(wanted), dtype=bool)
        while (open_ := open_ & (position < len(first))).any():
            entries = np.asarray(self._entries[:, position[open_]])
            same_first = entries[0] == wanted[open_, 0]
            hit = same_first & (entries[1] == wanted[open_, 1])
            if (hit & ((_checksum(entries) != entries[4]) | (entries[2] >= len(first)))).any():
                raise corrupt(self.path)
            where = np.flatnonzero(open_)
            rows[where[hit]] = entries[2, hit].astype(np.int64)
            heads[where[hit]] = entries[3, hit]
            open_[where[hit | ~same_first]] = False
            position = position + 1
        return rows, heads

    def verify(self) -> None:
        """Verify the whole file.

        Raises:
            CorruptStoreError: It is not what was written.
        """
        if file_sha256(self.path) != self._expected.sha256:
            raise corrupt(self.path)


def index_header(rows: int) -> bytes:
    """The ``.npy`` header of an index."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<u8", "fortran_order": False, "shape": (ENTRY, rows)})
    return buffer.getvalue()
