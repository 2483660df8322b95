"""Values on their way to other processes: large arrays are in a file that all of them map, so that the memory holds them once.

Tensors are copied into each process; `aft.training` packs those of many samples into arrays.
"""

import mmap
import pickle
from pathlib import Path
from typing import IO, Any

#: Arrays of fewer bytes are copied by each process.
SMALL = 1 << 16
#: Arrays begin at multiples of it, as vector instructions like it.
ALIGNMENT = 64


def write_parcel(value: Any, folder: Path) -> None:
    """Write a value into a folder. It has to stay there until all processes have read it.

    Args:
        value: The value; see `is_picklable`.
        folder: An empty folder.

    Raises:
        OSError: The disk is full.
    """
    ranges: list[tuple[int, int, bool]] = []
    with (folder / "arrays").open("wb") as file:
        content = pickled(value, lambda buffer: _write(file, buffer, ranges))
    (folder / "value").write_bytes(pickle.dumps((ranges, content)))


def read_parcel(folder: Path) -> Any:
    """Read a value. What this process changes of it, no other one sees."""
    ranges, content = pickle.loads((folder / "value").read_bytes())  # noqa: S301 - written by the parent a moment ago
    buffers = []
    if ranges:
        with (folder / "arrays").open("rb") as file:
            everything = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        for start, end, readonly in ranges:
            buffers.append(everything[start:end].toreadonly() if readonly else everything[start:end])
    return pickle.loads(content, buffers=buffers)  # noqa: S301


def pickled(value: Any, take: Any = None) -> bytes:
    """Pickle a value, with functions and classes of the main program by value.

    Args:
        value: The value.
        take: Receives each array, and answers whether the pickle should hold it; it holds all by default.
    """
    import cloudpickle  # here, because the command line starts without it

    return bytes(cloudpickle.dumps(value, protocol=5, buffer_callback=take))


def _write(file: IO[bytes], buffer: pickle.PickleBuffer, ranges: list[tuple[int, int, bool]]) -> bool:
    content = buffer.raw()
    if content.nbytes < SMALL:
        return True
    file.write(bytes(-file.tell() % ALIGNMENT))
    start = file.tell()
    file.write(content)
    ranges.append((start, file.tell(), content.readonly))
    return False
