"""Creating, resuming or rejecting a run directory."""

import shutil

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
            return Run.open(directory) if layout.result.exists() else None
        raise RunError(
            f"a run directory holds one run; {str(directory)!r} has another: {'; '.join(different[:4])}; "
            "choose another out=, or pass overwrite=True"
        )
    if directory.exists() and any(directory.iterdir()):
        found = sorted(path.name for path in directory.iterdir())
        raise RunError(
            f"a run needs an empty directory; {str(directory)!r} holds {name_some(found)}; choose another out="
        )
    directory.mkdir(parents=True, exist_ok=True)
    config.write(layout.config)
    return None
