"""Samples from a folder of images, with one subfolder per class."""

from pathlib import Path

from aft.data._contents import Contents
from aft.data._holdout import assign_splits, is_split_name
from aft.data._inputs import ImageFiles
from aft.errors import DataError, name_some

#: Name of the folder for images without a label, next to the split folders or next to the class folders.
UNLABELLED = "unlabelled"
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


def read_folder(root: Path) -> Contents:
    """List the images of a folder; see `Dataset.from_folder`.

    Args:
        root: The folder.

    Returns:
        The samples, sorted by path.

    Raises:
        DataError: The folder does not exist, contains no image or links to files outside it, or has other
            folders next to those of its splits.
    """
    files = _image_files(root)
    paths = [file.relative_to(root).parts for file in files]
    splits = None
    if any(is_split_name(path[0]) for path in paths if len(path) > 2):
        _check_top_level(root, paths)
        splits = assign_splits(["train" if path[0] == UNLABELLED else path[0] for path in paths])
    depth = 0 if splits is None else 1  # of the class folders
    labels = [path[depth] if len(path) > depth + 1 and path[0] != UNLABELLED else None for path in paths]
    return Contents(
        ids=["/".join(path) for path in paths],
        inputs=ImageFiles(files),
        labels=labels,
        splits=splits,
        groups=None,
        source={"kind": "image", "path": str(root), "labels": "folders"},
    )


def _image_files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError(
            f"an image folder has one subfolder per class; there is no folder {str(root)!r}; check the path"
        )
    files = sorted(
        (file for file in root.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()),
        key=lambda file: file.relative_to(root).as_posix(),
    )
    files = [file for file in files if not any(part.startswith(".") for part in file.relative_to(root).parts)]
    if not files:
        raise DataError(
            f"an image folder holds images, in one subfolder per class; {str(root)!r} has none; check the path"
        )
    real = root.resolve()
    outside = [str(file) for file in files if not file.resolve().is_relative_to(real)]
    if outside:
        raise DataError(
            "the files of an image folder must lie inside it; received links to other places, "
            f"{name_some(outside)}; copy the files into the folder"
        )
    return files


def _check_top_level(root: Path, paths: list[tuple[str, ...]]) -> None:
    """Make sure that the folder of a split is never mistaken for a class, nor a class for a split."""
    split_folders = sorted({path[0] for path in paths if len(path) > 1 and is_split_name(path[0])})
    others = sorted({path[0] for path in paths if len(path) == 1 or not is_split_name(path[0])} - {UNLABELLED})
    if others:
        raise DataError(
            f"a folder with split folders, here {name_some(split_folders)}, may hold only {UNLABELLED!r} next to "
            f"them; {str(root)!r} also holds {name_some(others)}; move it into one of them"
        )
