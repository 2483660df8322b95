"""Bytes that grow: in memory while they are few, and else in a file, of which the system keeps in memory what is used."""

import mmap
import tempfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aft.core._cache import cache_dir

#: Bytes up to which they stay in memory.
IN_MEMORY = 32 << 20
#: Bytes that are written to a file at a time.
BUFFER = 1 << 20


class GrowingBytes:
    """Collects bytes.

    The file has no name, so that it goes with the process, however that ends. It lies in the cache directory, as the directory for
    temporary files often is memory itself.
    """

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._memory)

    def append(self, content: bytes | memoryview) -> None:
        """Add bytes.

        Raises:
            OSError: The file cannot be written, for example because the disk is full.
        """
        self._memory += content
        if len(self._memory) > (IN_MEMORY if self._file is None else BUFFER):
            self._flush()

    def build(self) -> NDArray[np.uint8]:
        """All bytes, ``(n,)``, which cannot be written to. Nothing can be added afterwards."""
        if self._file is None:
            return np.frombuffer(self._memory, np.uint8)
        self._flush()
        self._file.flush()
        content = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        return np.frombuffer(content, np.uint8)

    def _flush(self) -> None:
        if self._file is None:
            self._file = _unnamed_file()
        self._file.write(self._memory)
        self._written += len(self._memory)
        self._memory = bytearray()


def spilled(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, in a file if it is large."""
    if array.nbytes <= IN_MEMORY:
        return array
    content, flat = GrowingBytes(), np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, len(flat), BUFFER):
        content.append(flat[start : start + BUFFER].data)
    return content.build().view(array.dtype).reshape(array.shape)


def _unnamed_file() -> Any:
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError:  # a home directory that cannot be written
        return tempfile.TemporaryFile()
