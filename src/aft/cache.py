"""Where fetched things are kept on this machine."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where fetched things are kept: ``$AFT_CACHE``, or ``aft`` in the user's cache folder."""
    chosen = os.environ.get("AFT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aft"
