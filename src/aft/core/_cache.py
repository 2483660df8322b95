"""Where downloads and copies are cached on this machine."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache directory: ``$AFT_CACHE`` if it is set, else ``aft`` in the user's cache directory."""
    chosen = os.environ.get("AFT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aft"
