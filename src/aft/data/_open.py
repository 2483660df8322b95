"""A dataset from a path to a table or an image folder."""

from pathlib import Path
from typing import Any

from aft.data._dataset import Dataset
from aft.errors import UsageError


def open_dataset(path: str | Path, *, bad_inputs: str = "error", **columns: Any) -> Dataset:
    """Read a table or an image folder.

    Args:
        path: A file, or a folder of images.
        bad_inputs: ``"error"`` or ``"skip"``; see `Dataset.from_table`.
        **columns: Names of columns, as for `Dataset.from_table`; None means not given. A folder has no
            columns.

    Returns:
        The dataset.

    Raises:
        UsageError: Columns are named for a folder.
        DataError: The data cannot be used.
    """
    named = {role: value for role, value in columns.items() if value is not None}
    if not Path(path).is_dir():
        return Dataset.from_table(path, bad_inputs=bad_inputs, **named)  # type: ignore[arg-type]
    if named:
        received = ", ".join(f"{role}={str(value)!r}" for role, value in named.items())
        raise UsageError(
            f"a folder of images has no columns; received {received} for {str(path)!r}; leave them out, or pass a table"
        )
    return Dataset.from_folder(path, bad_inputs=bad_inputs)  # type: ignore[arg-type]
