"""A folder of images: a class a sub-folder."""

from pathlib import Path
from typing import NamedTuple

from aft.data._holdout import is_split_name, split_of
from aft.errors import DataError, name_some

#: Folder of images without a label, beside train, validation and test, or beside the classes.
UNLABELLED = "unlabelled"
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


class Folder(NamedTuple):
    """What lies in a folder of images, in the order of its paths."""

    files: list[Path]
    ids: list[str]
    labels: list[str | None]
    splits: list[str] | None


def read_folder(root: Path) -> Folder:
    """List a folder; see `Dataset.from_folder`.

    Args:
        root: The folder.

    Returns:
        Files, and for each its id, the name of its class, and its split where the folder gives splits.

    Raises:
        DataError: No folder, no image in it, links out of it, or folders beside the splits.
    """
    if not root.is_dir():
        raise DataError(f"an image folder holds a folder a class; there is no folder {str(root)!r}; check the path")
    files = sorted(
        (file for file in root.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()),
        key=lambda file: file.relative_to(root).as_posix(),
    )
    files = [file for file in files if not any(part.startswith(".") for part in file.relative_to(root).parts)]
    if not files:
        raise DataError(f"an image folder holds images, a folder a class; {str(root)!r} has none; check the path")
    real = root.resolve()
    outside = [str(file) for file in files if not file.resolve().is_relative_to(real)]
    if outside:
        raise DataError(
            f"images lie inside their folder; received links out of it, {name_some(outside)}; copy the files there"
        )
    parts = [file.relative_to(root).parts for file in files]
    top = {part[0] for part in parts if len(part) > 1}
    given = any(is_split_name(part[0]) for part in parts if len(part) > 2)
    beside = sorted({part[0] for part in parts if len(part) == 1 or not is_split_name(part[0])} - {UNLABELLED})
    if given and beside:
        raise DataError(
            f"beside {name_some(sorted(name for name in top if is_split_name(name)))} a folder holds nothing but {UNLABELLED!r}; "
            f"{str(root)!r} also holds {name_some(beside)}; move it into one of them"
        )
    splits = [split_of(part[0]) if part[0] != UNLABELLED else "train" for part in parts] if given else None
    depth = 0 if splits is None else 1
    labels = [part[depth] if len(part) > depth + 1 and part[0] != UNLABELLED else None for part in parts]
    return Folder(files, ["/".join(part) for part in parts], labels, splits)
