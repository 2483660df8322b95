"""Bytes that grow: in memory while they are few, and else in a file, of which the system keeps in memory what is used."""

import mmap
import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from aft.core import scratch_dir

#: Bytes up to which they stay in memory.
IN_MEMORY = 32 << 20
#: Bytes that are written to a file at a time.
BUFFER = 1 << 20


class GrowingBytes:
    """Collects bytes.

    The file has no name, so that it goes with the process, however that ends. It lies in the cache directory, as the directory for
    temporary files often is memory itself. Where no file can be written, because the disk is full, everything stays in memory.
    """

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._written = 0
        self._writable = True

    def __len__(self) -> int:
        return self._written + len(self._memory)

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, content: bytes | memoryview) -> None:
        """Add bytes."""
        self._memory += content
        if self._writable and len(self._memory) > (IN_MEMORY if self._file is None else BUFFER):
            self._flush()

    def build(self) -> NDArray[np.uint8]:
        """All bytes, ``(n,)``, which cannot be written to. Nothing can be added afterwards."""
        if self._file is not None:
            self._flush()
        if self._file is None:
            content = np.frombuffer(self._memory, np.uint8)
            content.flags.writeable = False
            return content
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)

    def _flush(self) -> None:
        try:
            if self._file is None:
                self._file = _unnamed_file()
            left = memoryview(self._memory)
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._return_to_memory()
            return
        self._written += len(self._memory)
        self._memory = bytearray()

    def _return_to_memory(self) -> None:
        self._writable = False
        if self._file is not None:
            if self._written:  # mapped, as a single read returns at most two gigabytes
                with mmap.mmap(self._file.fileno(), self._written, access=mmap.ACCESS_READ) as written:
                    self._memory = bytearray(written) + self._memory
            self._file.close()
            self._file, self._written = None, 0


def spilled(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, in a file if they are many. The result must not be written to."""
    if array.nbytes <= IN_MEMORY:
        return array
    content, flat = GrowingBytes(), np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, len(flat), BUFFER):
        content.append(flat[start : start + BUFFER].data)
    return content.build().view(array.dtype).reshape(array.shape)


def _unnamed_file() -> IO[bytes]:
    return tempfile.TemporaryFile(dir=scratch_dir(), buffering=0)
