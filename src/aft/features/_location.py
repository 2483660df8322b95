"""The location of a store: a directory of this machine, or an address in object storage."""

from pathlib import Path

from aft.core import is_url
from aft.features._layout import Layout
from aft.features._mirror import Mirror


def join_location(parent: str | Path, name: str) -> str | Path:
    """The location of an entry in a directory or under an address.

    Args:
        parent: A directory of stores, or an address in object storage.
        name: Name of a store in it.

    Returns:
        A path for a directory, a string for an address.
    """
    return f"{parent.rstrip('/')}/{name}" if isinstance(parent, str) and is_url(parent) else Path(parent) / name


def local_copy(location: str | Path) -> Layout:
    """The files of a store on this machine.

    Args:
        location: The store's directory, or its address in object storage, from which missing files are
            downloaded.

    Returns:
        The layout of the directory or of the local copy.

    Raises:
        StoreError: Object storage does not respond, or a file there is corrupt.
    """
    if not is_url(location):
        return Layout(Path(location))
    mirror = Mirror(str(location))
    mirror.pull()
    return mirror.layout


def local_directory(location: str | Path) -> Path:
    """The directory on this machine that holds a store or its copy. Nothing is downloaded."""
    return Mirror(str(location)).layout.directory if is_url(location) else Path(location)
