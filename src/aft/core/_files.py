"""Atomic files: whatever interrupts the writer, a file is either complete or unchanged."""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Prefix of the names of files that are still being written.
TEMPORARY = ".writing-"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path whose file replaces the target when the block ends without an error.

    Use it where another library does the writing; `write_atomic` writes bytes.

    Args:
        path: The target. A file that is already there is replaced.

    Yields:
        A path in the same directory. Its file is removed if the block raises.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        rename_durably(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def rename_durably(temporary: Path, path: Path) -> None:
    """Give a finished file its final name, so that not even a power failure can leave it incomplete."""
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def write_atomic(
    path: Path, chunks: Iterable[bytes | memoryview], check: Callable[[int, str], object] | None = None
) -> tuple[int, str]:
    """Write bytes to a file atomically and durably.

    Args:
        path: The target. A file that is already there is replaced.
        chunks: The content.
        check: Called with the size and the SHA-256 of the content before the target is replaced. If it
            raises, the target is left as it was.

    Returns:
        The number of bytes written and their SHA-256.

    Raises:
        OSError: The operating system refused, for example because the disk is full. No temporary file is
            left.
    """
    digest, size = hashlib.sha256(), 0
    with atomic_path(path) as temporary:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        if check is not None:
            check(size, digest.hexdigest())
    return size, digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomic(path, [text.encode("utf-8", "surrogatepass")])


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically, indented by one space."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_temporary_files(directory: Path) -> None:
    """Remove files that interrupted writers have left behind. Call it only while no writer is active."""
    for path in directory.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or the renames in a directory, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
