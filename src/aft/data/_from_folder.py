"""Samples from a folder of images, with one subfolder per class."""

import logging
import re
from pathlib import Path

from aft.core import first_sentence
from aft.data._contents import Contents
from aft.data._holdout import assign_splits, is_split_name
from aft.data._images import is_image
from aft.data._inputs import ImageFiles, ImageTexts, Texts
from aft.errors import DataError, UsageError, name_some

log = logging.getLogger("aft")

#: Name of the folder for images without a label, next to the split folders or next to the class folders.
UNLABELLED = "unlabelled"


def read_folder(root: Path, text: str | None = None) -> Contents:
    """List the images of a folder; see `Dataset.from_folder`.

    Args:
        root: The folder.
        text: Suffix of the files that hold the texts of the images; None for images alone.

    Returns:
        The samples, sorted by path.

    Raises:
        UsageError: ``text`` is no suffix.
        DataError: The folder does not exist, contains no image or links to files outside it, or has other
            folders next to those of its splits.
    """
    if text is not None and not re.fullmatch(r"\.[^./\\]+", text):
        raise UsageError(
            f"the texts of a folder of images are files beside them, and text= is their suffix; received {text!r}; write for "
            "example text='.txt'"
        )
    files = _image_files(root, text)
    paths = [file.relative_to(root).parts for file in files]
    splits = None
    if any(is_split_name(path[0]) for path in paths if len(path) > 2):
        _check_top_level(root, paths)
        splits = assign_splits(["train" if path[0] == UNLABELLED else path[0] for path in paths])
    depth = 0 if splits is None else 1  # of the class folders
    labels = [path[depth] if len(path) > depth + 1 and UNLABELLED not in path[: depth + 1] else None for path in paths]
    source = {"kind": "image", "path": str(root), "labels": "folders"}
    if text is not None:
        source |= {"kind": "image+text", "text": text}
    return Contents(
        ids=["/".join(path) for path in paths],
        inputs=ImageFiles(files) if text is None else ImageTexts(ImageFiles(files), Texts(_texts(root, files, text))),
        labels=labels,
        splits=splits,
        groups=None,
        source=source,
    )


def _texts(root: Path, images: list[Path], suffix: str) -> list[str]:
    """The text of each image, from the file beside it."""
    files = [image.with_suffix(suffix) for image in images]
    without = [
        image.relative_to(root).as_posix() for image, file in zip(images, files, strict=True) if not file.is_file()
    ]
    if without:
        raise DataError(
            f"every image needs its text, a file with the same name and the suffix {suffix}; {len(without)} of {len(images)} have none, "
            f"{name_some(without)}; add the files, or move the images elsewhere"
        )
    _check_inside(root, files)
    texts = []
    for file in files:
        try:
            texts.append(file.read_text(encoding="utf-8-sig").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"the text of an image is a file of UTF-8; {file.relative_to(root).as_posix()!r} cannot be read "
                f"({first_sentence(error)}); correct it"
            ) from error
    return texts


def _image_files(root: Path, text: str | None) -> list[Path]:
    if not root.is_dir():
        raise DataError(
            f"an image folder has one subfolder per class; there is no folder {str(root)!r}; check the path"
        )
    found = sorted(root.rglob("*"), key=lambda file: file.relative_to(root).as_posix())
    visible = [file for file in found if not any(part.startswith(".") for part in file.relative_to(root).parts)]
    files = [f for f in visible if f.is_file() and is_image(f)]
    _report_ignored(root, [file for file in visible if text is None or file.suffix != text], files)
    if not files:
        raise DataError(
            f"an image folder holds images, in one subfolder per class; {str(root)!r} has none; check the path"
        )
    _check_inside(root, files)
    return files


def _check_inside(root: Path, files: list[Path]) -> None:
    """Make sure that no file is a link to a place outside the folder."""
    real = root.resolve()
    outside = [str(file) for file in files if not file.resolve().is_relative_to(real)]
    if outside:
        raise DataError(
            "the files of an image folder must lie inside it; received links to other places, "
            f"{name_some(outside)}; copy the files into the folder"
        )


def _report_ignored(root: Path, found: list[Path], images: list[Path]) -> None:
    """Say which files are not images, and which folders contain none."""
    used = set(images)
    ignored = [file.relative_to(root).as_posix() for file in found if file.is_file() and file not in used]
    if ignored:
        log.warning("files in %s are not images and are ignored, %d in all: %s", root, len(ignored), name_some(ignored))
    parents = {parent for image in images for parent in image.parents}
    empty = [folder.relative_to(root).as_posix() for folder in found if folder.is_dir() and folder not in parents]
    if empty:
        log.warning("folders in %s contain no images, %d in all: %s", root, len(empty), name_some(empty))


def _check_top_level(root: Path, paths: list[tuple[str, ...]]) -> None:
    """Make sure that the folder of a split is never mistaken for a class, nor a class for a split."""
    split_folders = sorted({path[0] for path in paths if len(path) > 1 and is_split_name(path[0])})
    others = sorted({path[0] for path in paths if len(path) == 1 or not is_split_name(path[0])} - {UNLABELLED})
    if others:
        raise DataError(
            f"a folder with split folders, here {name_some(split_folders)}, may hold only {UNLABELLED!r} next to "
            f"them; {str(root)!r} also holds {name_some(others)}; move it into one of them"
        )
