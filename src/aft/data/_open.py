"""A dataset from a path, whatever lies there."""

from pathlib import Path
from typing import Any

from aft.data._dataset import Dataset
from aft.errors import UsageError, name_some


def open_dataset(path: str | Path, *, bad_inputs: str = "error", **columns: Any) -> Dataset:
    """Read a table or an image folder.

    Args:
        path: A file, or a folder of images.
        bad_inputs: ``"error"`` or ``"skip"``.
        **columns: As for `Dataset.from_table`; None for not given. A folder has none.

    Returns:
        The dataset.

    Raises:
        UsageError: Columns for a folder.
        DataError: Data that cannot be used.
    """
    named = {role: value for role, value in columns.items() if value is not None}
    if not Path(path).is_dir():
        return Dataset.from_table(path, bad_inputs=bad_inputs, **named)  # type: ignore[arg-type]
    if named:
        flags = name_some([f"--{role.replace('_', '-')}" for role in named], 8)
        raise UsageError(
            f"a folder of images has no columns; received {flags} for {str(path)!r}; leave them out, or pass a table"
        )
    return Dataset.from_folder(path, bad_inputs=bad_inputs)  # type: ignore[arg-type]
