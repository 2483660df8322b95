"""Write the files of a store; see `aft.core.write_atomic`."""

from collections.abc import Callable, Iterable
from pathlib import Path

from aft.core import write_atomic
from aft.errors import StoreError


def write_file(
    path: Path, chunks: Iterable[bytes | memoryview], check: Callable[[int, str], object] | None = None
) -> tuple[int, str]:
    """Write a file of a store atomically.

    Args:
        path: The target.
        chunks: The content.
        check: Called with the size and the SHA-256 of the content before the target is replaced.

    Returns:
        The number of bytes written and their SHA-256.

    Raises:
        StoreError: The operating system refused. Nothing that was committed earlier is lost.
    """
    try:
        return write_atomic(path, chunks, check)
    except OSError as error:
        raise StoreError(
            f"a store's directory must be writable and have free space; received {error.strerror!r} for {str(path)!r}; "
            "free some space and run the same command again: committed shards are kept"
        ) from error
