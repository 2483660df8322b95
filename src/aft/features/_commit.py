"""Writing a file so that it is whole or absent, whatever happens meanwhile."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from aft.errors import StoreError
from aft.features._layout import TEMPORARY


def write_whole(
    path: Path, chunks: Iterable[bytes | memoryview], check: Callable[[int, str], object] | None = None
) -> tuple[int, str]:
    """Write a file under a temporary name, flush it to disk, and rename it into place.

    Args:
        path: The final name; replaced if it exists.
        chunks: The content.
        check: Told bytes and SHA-256 before the file gets its name; it has none where this raises.

    Returns:
        Bytes written and their SHA-256.

    Raises:
        StoreError: The operating system refused (disk full, read-only folder); nothing is left behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    digest, size = hashlib.sha256(), 0
    try:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(size, digest.hexdigest())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(
            f"a store's folder must be writable and have room; received {error.strerror!r} for {str(path)!r}; "
            "what was committed is safe: make room and run the same command again"
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return size, digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove what interrupted writers left; called when every shard is committed, so that no writer is at work."""
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)
