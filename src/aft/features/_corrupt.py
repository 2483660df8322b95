"""The error for a file of a store whose content is not what was written."""

from pathlib import Path

from aft.errors import CorruptStoreError


def corrupt(
    file: Path | str, problem: str = "does not match its checksum", remedy: str = "extract the features again"
) -> CorruptStoreError:
    """Build the error for a corrupt file; the caller raises it.

    Args:
        file: Path or address of the file.
        problem: What is wrong with it, as the predicate of a sentence.
        remedy: What to do where there is no backup.

    Returns:
        The error.
    """
    return CorruptStoreError(f"{str(file)!r} {problem}; restore it from a backup or {remedy}")


def refuse_symlink(path: Path) -> None:
    """Check that a path is not a symbolic link, which could lead out of the store.

    Raises:
        CorruptStoreError: It is one.
    """
    if path.is_symlink():
        raise CorruptStoreError(
            f"a store consists of regular files; {str(path)!r} is a symbolic link; replace it with a copy of its target"
        )
