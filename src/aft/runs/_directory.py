"""Creating, resuming or rejecting a run directory."""

import shutil
from pathlib import Path

from aft.core import TEMPORARY, remove_temporary_files
from aft.errors import RunError, name_some
from aft.runs._layout import RunLayout
from aft.runs._run import Run
from aft.runs._schema import RunConfig


def open_run_directory(layout: RunLayout, config: RunConfig, *, overwrite: bool = False) -> Run | None:
    """Create, resume or reject a run directory.

    Args:
        layout: The directory.
        config: The training that is going to run in it.
        overwrite: Remove a run that is there.

    Returns:
        The finished run of the same config, or None if there is work to do.

    Raises:
        RunError: The directory contains another run, or files that are not a run's.
    """
    directory = layout.directory
    if overwrite and layout.config.exists():
        shutil.rmtree(directory)
    if layout.config.exists():
        different = config.differences(RunConfig.read(layout.config))
        if not different:
            remove_temporary_files(directory)  # of a training that was killed
            return Run.open(directory) if layout.result.exists() else None
        raise RunError(
            f"a run directory holds one run; {str(directory)!r} has another: {'; '.join(different[:4])}; "
            "choose another out=, or pass overwrite=True"
        )
    claim_directory(directory, "a run")
    config.write(layout.config)
    return None


def claim_directory(directory: Path, what: str) -> None:
    """Create a directory, or use an empty one. What a killed process was writing to it counts as nothing.

    Args:
        directory: The directory.
        what: What needs it, for the message.

    Raises:
        RunError: The directory contains files.
    """
    if directory.exists() and not directory.is_dir():
        raise RunError(f"{what} needs a directory; {str(directory)!r} is a file; choose another out=")
    directory.mkdir(parents=True, exist_ok=True)
    found = sorted(path.name for path in directory.iterdir() if not path.name.startswith(TEMPORARY))
    if found:
        raise RunError(
            f"{what} needs an empty directory; {str(directory)!r} holds {name_some(found)}; choose another out="
        )
    remove_temporary_files(directory)
