"""Pickles that several processes read: large arrays are in a file that all of them map, so that memory holds them once.

Tensors are copied into each process; `aft.training` packs those of many samples into arrays.
"""

import mmap
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from aft.errors import UsageError

#: Smaller arrays, in bytes, are copied into each process.
SMALL = 1 << 16
#: Arrays start at multiples of this many bytes, for vector instructions.
ALIGNMENT = 64


def dump_shared(value: Any, folder: Path) -> None:
    """Pickle a value into a folder. Processes can load it for as long as the folder exists.

    Args:
        value: The value; see `is_picklable`.
        folder: An empty folder.

    Raises:
        UsageError: The disk is full.
    """
    ranges: list[tuple[int, int, bool]] = []
    try:
        with (folder / "arrays").open("wb") as file:
            content = pickled(value, lambda buffer: _keep_small(file, buffer, ranges))
        (folder / "value").write_bytes(pickle.dumps((ranges, content)))
    except OSError as error:
        raise UsageError(
            f"several processes share their data through a file in the cache directory; {str(folder)!r} could not be written "
            f"({error.strerror or error}); free space there, set AFT_CACHE to another directory, or use one process"
        ) from error


def load_shared(folder: Path) -> Any:
    """Load a value. Other processes do not see what this one changes."""
    ranges, content = pickle.loads((folder / "value").read_bytes())  # noqa: S301 - written by the parent a moment ago
    buffers = []
    if ranges:
        with (folder / "arrays").open("rb") as file:
            everything = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        for start, end, readonly in ranges:
            buffers.append(everything[start:end].toreadonly() if readonly else everything[start:end])
    return pickle.loads(content, buffers=buffers)  # noqa: S301


def is_picklable(value: Any) -> bool:
    """Whether a value can be sent to another process.

    Classes and functions of the main program, lambdas and closures can: they are sent by value. What is imported from a module
    is imported again there.
    """
    try:
        pickled(value, lambda _: False)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def pickled(value: Any, keep: Callable[[pickle.PickleBuffer], bool] | None = None) -> bytes:
    """Pickle a value, with functions and classes of the main program by value.

    Args:
        value: The value.
        keep: Receives each array and returns whether the pickle keeps its content. By default it keeps all.
    """
    import cloudpickle  # here, because the command line starts without it

    return bytes(cloudpickle.dumps(value, protocol=5, buffer_callback=keep))


def _keep_small(file: IO[bytes], buffer: pickle.PickleBuffer, ranges: list[tuple[int, int, bool]]) -> bool:
    """Append a large array to the file."""
    content = buffer.raw()
    if content.nbytes < SMALL:
        return True
    file.write(bytes(-file.tell() % ALIGNMENT))
    start = file.tell()
    file.write(content)
    ranges.append((start, file.tell(), content.readonly))
    return False
