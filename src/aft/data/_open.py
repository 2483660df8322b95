"""A dataset from a path to a table or an image folder, or from its name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aft.core import is_url
from aft.data._columns import SUFFIXES
from aft.data._dataset import Dataset
from aft.data._from_hub import find_local, split_files
from aft.data._images import is_image
from aft.data._inputs import ImageFiles
from aft.errors import UnknownColumnError, UsageError

#: What the names of datasets on the hub start with, as those of models do.
HUB = "hf:"


def open_dataset(path: str | Path, *, bad_inputs: str = "error", row_ids: bool = False, **columns: Any) -> Dataset:
    """Read a table, an image folder, a single image, or a dataset that is known by its name.

    Args:
        path: A file, the address of a table in object storage, a folder of images, a name as for `Dataset.from_hub`, or
            ``hf:OWNER/NAME`` for one of the Hugging Face Hub, with ``,config=NAME`` where it has several.
        bad_inputs: ``"error"`` or ``"skip"``; see `Dataset.from_table`.
        row_ids: As for `Dataset.from_table`.
        **columns: Names of columns, as for `Dataset.from_table`; None means not given. Folders and images have no columns; for a
            folder, ``text`` may be the suffix of the files that hold the texts of its images.

    Returns:
        The dataset.

    Raises:
        UsageError: Columns are named for a folder or an image.
        DataError: The data cannot be used.
    """
    named = {role: value for role, value in columns.items() if value is not None}
    if is_url(path):
        return Dataset.from_table(path, bad_inputs=bad_inputs, row_ids=row_ids, **named)  # type: ignore[arg-type]
    name = _hub_name(path)
    if name is not None:
        _check_roles(name, named)
        repository, _, config = name.removeprefix(HUB).partition(",config=")
        return Dataset.from_hub(repository, config=config or None, bad_inputs=bad_inputs, **named)  # type: ignore[arg-type]
    image = Path(path).is_file() and Path(path).suffix.lower() not in SUFFIXES and is_image(Path(path))
    if not Path(path).is_dir() and not image:
        return Dataset.from_table(path, bad_inputs=bad_inputs, row_ids=row_ids, **named)  # type: ignore[arg-type]
    text = named.pop("text") if not image and str(named.get("text", "")).startswith(".") else None
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
    return Dataset.from_folder(path, text=text, bad_inputs=bad_inputs)  # type: ignore[arg-type]


def open_new(path: str | Path, **options: Any) -> Dataset:
    """Read samples as `open_dataset` does, but of a table that need not have the column of ids."""
    try:
        return open_dataset(path, **options)
    except UnknownColumnError as error:
        if error.column != options.get("id") or not error.column:
            raise
        return open_dataset(path, **{**options, "id": None})


def open_unlabelled(path: str | Path, *, bad_inputs: str = "error", **columns: Any) -> Dataset:
    """Read samples of which only the inputs count, beside a dataset whose columns are named.

    Args:
        path: As for `open_dataset`. A table needs no column of ids, and a folder of images no columns, whatever the dataset is. The
            ids of its images begin with its name, as another folder may have images of the same names.
        bad_inputs: As for `open_dataset`.
        **columns: Those of the dataset. Labels, splits and groups are not read.

    Returns:
        The samples.
    """
    folder = Path(path).is_dir() and _hub_name(path) is None
    roles = {"text", "text_pair", "image", "image_root", "id"}
    if folder:
        roles = {"text"} if str(columns.get("text", "")).startswith(".") else set()
    found = open_new(path, bad_inputs=bad_inputs, **{role: value for role, value in columns.items() if role in roles})
    if not folder:
        return found
    ids = [f"{Path(path).name}/{name}" for name in found.ids]
    return Dataset(ids, found.inputs, source=found.source, bad_inputs=found.bad_inputs)


def _hub_name(path: str | Path) -> str | None:
    """The name of a dataset of the hub, or of a folder in its layout; None for any other path."""
    name = str(path)
    if name.startswith(HUB):
        return name
    if Path(name).exists():
        return name if any(split_files(Path(name))) else None
    bare = Path(name).name == name and "." not in name
    return name if bare or find_local(name) else None


def _check_roles(name: str, named: Mapping[str, Any]) -> None:
    for role in ("split", "image_root", "missing"):
        if role in named:
            raise UsageError(
                f"a dataset by name has splits and images of its own; received {role}={named[role]!r} for {name!r}; leave it out"
            )
