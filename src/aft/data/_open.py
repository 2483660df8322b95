"""A dataset from a path to a table or an image folder."""

from pathlib import Path
from typing import Any

from aft.data._columns import SUFFIXES
from aft.data._dataset import Dataset
from aft.data._images import is_image
from aft.data._inputs import ImageFiles
from aft.errors import UsageError


def open_dataset(path: str | Path, *, bad_inputs: str = "error", row_ids: bool = False, **columns: Any) -> Dataset:
    """Read a table, an image folder, or a single image.

    Args:
        path: A file, or a folder of images.
        bad_inputs: ``"error"`` or ``"skip"``; see `Dataset.from_table`.
        row_ids: As for `Dataset.from_table`.
        **columns: Names of columns, as for `Dataset.from_table`; None means not given. Folders and images have no columns.

    Returns:
        The dataset.

    Raises:
        UsageError: Columns are named for a folder or an image.
        DataError: The data cannot be used.
    """
    named = {role: value for role, value in columns.items() if value is not None}
    image = Path(path).is_file() and Path(path).suffix.lower() not in SUFFIXES and is_image(Path(path))
    if not Path(path).is_dir() and not image:
        return Dataset.from_table(path, bad_inputs=bad_inputs, row_ids=row_ids, **named)  # type: ignore[arg-type]
    if named:
        received = ", ".join(f"{role}={str(value)!r}" for role, value in named.items())
        raise UsageError(
            f"images have no columns; received {received} for {str(path)!r}; leave them out, or pass a table"
        )
    if image:
        return Dataset(
            [Path(path).name], ImageFiles([Path(path)]), source={"kind": "image", "path": str(path)},
            bad_inputs=bad_inputs,  # type: ignore[arg-type]
        )  # fmt: skip
    return Dataset.from_folder(path, bad_inputs=bad_inputs)  # type: ignore[arg-type]
