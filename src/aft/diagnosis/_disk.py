"""Where files are written, and how much room there is."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aft.core import cache_dir, format_size
from aft.diagnosis._finding import Finding

#: Less than this is too little for features and runs, and for shared memory of worker processes.
LEAST, LEAST_SHARED = 2_000_000_000, 256_000_000


def examine_disks() -> Iterator[Finding]:
    """Look at the working directory, the cache of aft and that of models, and temporary files."""
    models = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    yield examine_folder("here", Path.cwd(), "change to a folder on another disk")
    yield examine_folder("aft's cache", cache_dir(), "set AFT_CACHE to a folder on another disk")
    yield examine_folder("models of the hub", Path(models), "set HF_HOME to a folder on another disk")
    yield examine_folder("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to a folder on another disk")
    shared = Path("/dev/shm")  # noqa: S108 - not a temporary file, but the memory that processes share
    if shared.is_dir() and shutil.disk_usage(shared).total < LEAST_SHARED:
        size = format_size(shutil.disk_usage(shared).total)
        yield Finding(
            "disk", "shared memory", size, f"worker processes share batches in {shared}, which has {size}",
            "use workers=0, or give the container more shared memory (docker run takes --shm-size 1g)",
        )  # fmt: skip


def examine_folder(name: str, folder: Path, remedy: str) -> Finding:
    """Look at a folder that may not exist yet."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    value = f"{format_size(free)} free in {folder}"
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding("disk", name, value, f"{str(existing)!r} cannot be written to", remedy)
    if free < LEAST:
        return Finding(
            "disk", name, value, f"{format_size(free)} in {str(folder)!r} is little room", f"make room, or {remedy}"
        )
    return Finding("disk", name, value)
