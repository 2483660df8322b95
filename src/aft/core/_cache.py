"""Where downloads and copies are cached on this machine."""

import os
from contextlib import suppress
from pathlib import Path


def cache_dir() -> Path:
    """The cache directory: ``$AFT_CACHE`` if it is set, else ``aft`` in the user's cache directory."""
    chosen = os.environ.get("AFT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aft"


def scratch_dir() -> Path | None:
    """Where large temporary files go: the cache directory, as the directory for temporary files often is memory itself.

    Returns:
        The cache directory; None, which stands for the usual directory, where it cannot be written.
    """
    with suppress(OSError, RuntimeError):  # a home directory that cannot be written, or none
        folder = cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return None
