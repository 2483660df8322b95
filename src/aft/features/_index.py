"""From id to row: a memory-mapped array sorted by a 128-bit hash of the id.

An entry is five unsigned 64-bit numbers: two of the id's hash, the row, the head of the input's digest, and a check of these
four, so that a flipped bit never leads to another sample's features.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aft.errors import CorruptStoreError
from aft.features._records import File, Sample

Words = NDArray[np.uint64]
ENTRY = 5
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def hash_id(sample_id: str) -> bytes:
    """16 bytes that stand for an id; ids are compared by these."""
    return hashlib.blake2b(sample_id.encode("utf-8", "surrogatepass"), digest_size=16, person=b"aft-id").digest()


def hash_ids(ids: Iterable[str]) -> Words:
    """Hashes of ids, ``(n, 2)``."""
    raw = b"".join(map(hash_id, ids))
    return np.frombuffer(raw, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def digest_heads(digests: Iterable[str]) -> Words:
    """The first 64 bits of inputs' digests, 0 for an empty one, ``(n,)``."""
    return np.array([int(digest[:16], 16) if digest else 0 for digest in digests], dtype=np.uint64)


def _check(entries: Words) -> Words:
    mixed = np.zeros(entries.shape[1], dtype=np.uint64)
    for column in range(ENTRY - 1):
        mixed = (mixed ^ entries[column]) * _GOLDEN
        mixed ^= mixed >> np.uint64(29)
    return mixed


def build_index(samples: Sequence[Sample]) -> Words:
    """Make the sorted entries of samples, whose row is their position; ids must differ."""
    entries = np.zeros((ENTRY, len(samples)), dtype="<u8")
    entries[:2] = hash_ids(sample.id for sample in samples).T
    entries[2] = np.arange(len(samples), dtype=np.uint64)
    entries[3] = digest_heads(sample.digest for sample in samples)
    entries[4] = _check(entries)
    return entries[:, np.lexsort((entries[1], entries[0]))]


class Index:
    """The opened index of a store.

    Args:
        path: The index file, a ``.npy`` array ``(5, rows)``: a search walks one contiguous row of it.
        rows: Rows that the manifest counts.
        expected: Its size and digest in the manifest.

    Raises:
        CorruptStoreError: Size or header are not what was written.
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
            raise CorruptStoreError(f"{str(path)!r} is missing; restore it from a copy or extract again") from error
        if not fits:
            raise self._broken()
        self._entries: Words = np.memmap(path, dtype="<u8", mode="r", offset=len(prefix), shape=(ENTRY, rows))

    def find(self, ids: Sequence[str]) -> tuple[NDArray[np.int64], Words]:
        """Find samples.

        Args:
            ids: Ids, in any order, repeats allowed.

        Returns:
            Rows ``(n,)``, -1 where an id is not there, and the heads of the inputs' digests ``(n,)``.

        Raises:
            CorruptStoreError: An entry, or the file, is not what was written.
        """
        wanted = hash_ids(ids)
        first = self._entries[0]
        position = np.searchsorted(first, wanted[:, 0], side="left")
        rows = np.full(len(wanted), -1, dtype=np.int64)
        heads = np.zeros(len(wanted), dtype=np.uint64)
        # Equal first halves of two hashes are all but impossible, so this loop runs once.
        open_ = np.ones(len(wanted), dtype=bool)
        while (open_ := open_ & (position < len(first))).any():
            entries = np.asarray(self._entries[:, position[open_]])
            same_first = entries[0] == wanted[open_, 0]
            hit = same_first & (entries[1] == wanted[open_, 1])
            if (hit & ((_check(entries) != entries[4]) | (entries[2] >= len(first)))).any():
                raise self._broken()
            where = np.flatnonzero(open_)
            rows[where[hit]] = entries[2, hit].astype(np.int64)
            heads[where[hit]] = entries[3, hit]
            open_[where[hit | ~same_first]] = False
            position = position + 1
        if (rows < 0).any():
            self.verify()  # a flipped bit may have hidden an id: then say that, not that the id is unknown
        return rows, heads

    def verify(self) -> None:
        """Check the whole file.

        Raises:
            CorruptStoreError: It is not what was written.
        """
        with self.path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != self._expected.sha256:
                raise self._broken()

    def _broken(self) -> CorruptStoreError:
        return CorruptStoreError(
            f"{str(self.path)!r} is not what was written to it; restore it from a copy or extract again"
        )


def index_header(rows: int) -> bytes:
    """The ``.npy`` header of an index."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<u8", "fortran_order": False, "shape": (ENTRY, rows)})
    return buffer.getvalue()


def index_chunks(entries: Words) -> Iterator[bytes | memoryview]:
    """The bytes of an index file."""
    yield index_header(entries.shape[1])
    if entries.size:
        yield np.ascontiguousarray(entries).data.cast("B")
