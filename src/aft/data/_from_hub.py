"""Samples from a dataset by its name: from a folder in the hub's layout, or from the Hugging Face Hub."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aft.core import first_sentence, hub_access
from aft.data._catalogue import CATALOGUE, HubData
from aft.data._cells import Cells, Columns, build_all
from aft.data._columns import column_names, frame_columns, read_columns
from aft.data._contents import Contents
from aft.data._from_table import read_table
from aft.data._holdout import SPLITS, assign_splits, is_split_name
from aft.errors import DataError, MissingExtraError, UnknownColumnError, did_you_mean, name_some

log = logging.getLogger("aft")

#: The environment variable that names a folder of datasets in the hub's layout.
AFT_DATA = "AFT_DATA"
#: Column that is added for the splits.
SPLIT = "aft.split"
#: A file of a split, or of a part of it.
SPLIT_FILE = re.compile(r"(?P<split>[A-Za-z_]+)(-\d+-of-\d+)?\.parquet")
#: How the name of a file ends that holds the images of a split once each; the rows of the split name their paths.
IMAGES = "-images.parquet"
INPUTS = frozenset(("text", "text_pair", "image"))
#: Names that a hub's dataset commonly gives to the columns of each role, where the dataset is not in the catalogue.
USUAL = {"image": ("image", "img"), "text": ("text", "sentence"), "label": ("label", "labels")}


@dataclass(frozen=True)
class _Split:
    """One split: the names of its columns, and a function that reads some of them."""

    columns: Sequence[str]
    read: Callable[[Sequence[str]], Columns]


def find_local(name: str) -> Path | None:
    """The folder of a dataset: a path, or a folder of that name in the folder that ``AFT_DATA`` names."""
    places = [Path(name)]
    if os.environ.get(AFT_DATA):
        places.append(Path(os.environ[AFT_DATA]) / name)
    return next((place for place in places if place.is_dir() and any(split_files(place))), None)


def read_hub(name: str, config: str | None = None, **columns: str | None) -> Contents:
    """Read a dataset by its name; see `Dataset.from_hub`.

    Args:
        name: A name of the catalogue, a name on the hub, or a folder in the hub's layout.
        config: The configuration of a dataset that has several.
        **columns: Name of the column for each role, as for `read_table`; those of the catalogue, or the usual ones, by default.

    Returns:
        The samples: the training split first.

    Raises:
        DataError: There is no such dataset, or it cannot be reached or used.
        MissingExtraError: The libraries that read it are not installed.
    """
    known, folder = CATALOGUE.get(name), find_local(name)
    splits = _read_folder(folder) if folder is not None else _download(name, known, config)
    given = {role: column for role, column in columns.items() if column is not None}
    wanted = _columns(name, next(iter(splits.values())).columns, known, given)
    parts = {column: Cells() for column in (*wanted.values(), SPLIT)}
    for ours, values in _assign(name, splits, known, wanted):
        for column, cells in values.items():
            parts[column].extend(cells)
        parts[SPLIT].extend([ours] * len(cells))
    joined = build_all(parts)
    images = None
    if folder is None and known is not None and known.images is not None:
        images = _image_folder(known.name, known.images)
        joined[wanted["image"]] = [f"{image}.jpg" for image in joined[wanted["image"]]]
    contents = read_table(joined, images, **{**wanted, "split": SPLIT})  # type: ignore[arg-type]
    return replace(contents, source={"kind": contents.source["kind"], "path": name, **wanted})


def _image_folder(name: str, folder: str) -> Path:
    """The folder of images that a user has downloaded, since their owners give them away themselves."""
    root = os.environ.get(AFT_DATA)
    if not root or not (Path(root) / folder).is_dir():
        raise DataError(
            f"the images of {name!r} are given away by their owners alone; received no folder {folder!r} in the one that {AFT_DATA} "
            f"names; download them, put them there, and set {AFT_DATA}"
        )
    return Path(root) / folder


def _read_folder(folder: Path) -> dict[str, _Split]:
    """The splits of a folder in the hub's layout."""
    parts: dict[str, list[Path]] = {}
    for split, path in split_files(folder):
        parts.setdefault(split, []).append(path)
    return {split: _Split(column_names(paths[0]), partial(_read_parts, split, paths)) for split, paths in parts.items()}


def _read_parts(split: str, paths: Sequence[Path], wanted: Sequence[str]) -> Columns:
    parts = {column: Cells() for column in wanted}
    for path in paths:
        for column, cells in read_columns(path, wanted).items():
            parts[column].extend(cells)
    columns = build_all(parts)
    images = paths[0].with_name(f"{split}{IMAGES}")
    return _with_images(columns, images) if images.is_file() else columns


def _with_images(columns: Columns, file: Path) -> Columns:
    """The columns, with images in place of their paths: one that stands in several rows is stored once, in a file of its own."""
    (images,) = read_columns(file, [USUAL["image"][0]]).values()
    known = {image["path"]: image for image in images}
    return {
        column: [known[cell] for cell in cells]
        if all(isinstance(cell, str) and cell in known for cell in cells)
        else cells
        for column, cells in columns.items()
    }


def split_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The Parquet files of a folder whose names are those of splits, each with the name of its split."""
    for path in sorted([*folder.glob("*.parquet"), *(folder / "data").glob("*.parquet")]):
        match = SPLIT_FILE.fullmatch(path.name)
        if match:
            yield match["split"], path


def _download(name: str, known: HubData | None, config: str | None) -> dict[str, _Split]:
    """The splits of a dataset of the hub, from its cache where they are there."""
    repository = name if known is None else known.repository
    if known is None and "/" not in name:
        raise DataError(
            f"a dataset is a file, a folder, or a name that aft knows; received {name!r}{did_you_mean(name, CATALOGUE)}; "
            "'aft data' lists the names, and hf:OWNER/NAME is any dataset of the Hugging Face Hub"
        )
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            f"{name!r} is read from the Hugging Face Hub by the package datasets, which is not installed; run pip install "
            "'adaptive-feature-transfer[hub]'"
        ) from error
    datasets.utils.logging.set_verbosity_error()
    try:
        with hub_access(repository):
            if known is not None and known.files:
                files = {split: f"hf://datasets/{repository}/{file}" for split, file in known.files.items()}
                loaded = datasets.load_dataset("json", data_files=files)
            else:
                loaded = datasets.load_dataset(repository, config or (known.config if known else None))
    except Exception as error:  # the library raises errors of many kinds, all about this dataset
        raise DataError(
            f"a dataset is read from the Hugging Face Hub, or from the folder that {AFT_DATA} names; {repository!r} could not be read "
            f"({first_sentence(error)}); check the name and the network"
        ) from error
    return {str(split): _Split(part.column_names, partial(_read_part, part)) for split, part in loaded.items()}


def _read_part(part: Any, wanted: Sequence[str]) -> Columns:
    """Columns of a split of the library's, with images as they are stored, and classes by their names."""
    import datasets

    for column in wanted:
        if isinstance(part.features[column], datasets.Image):
            part = part.cast_column(column, datasets.Image(decode=False))
    table = part.select_columns(list(wanted)).with_format("arrow")[:]
    features = {"huggingface": json.dumps({"info": {"features": part.features.to_dict()}})}
    return frame_columns(table.replace_schema_metadata(features), wanted)


def _columns(name: str, present: Sequence[str], known: HubData | None, given: Mapping[str, str]) -> dict[str, str]:
    """The column of each role: as given, as in the catalogue, or the usual one."""

    def first(candidates: Sequence[str]) -> str | None:
        return next((one for one in candidates if one in present), None)

    if known is not None:
        # A folder may have the usual names where the hub has others.
        usual = {role: first((column, *USUAL.get(role, ()))) or column for role, column in known.columns.items()}
    else:
        usual = {role: column for role, candidates in USUAL.items() if (column := first(candidates))}
        if "image" in usual:
            usual.pop("text", None)
    if INPUTS & given.keys():
        usual = {role: column for role, column in usual.items() if role not in INPUTS}
    found = {**usual, **given}
    if not INPUTS & found.keys():
        raise DataError(
            f"a dataset needs a column of inputs; {name!r} has the columns {name_some(present, 20)}; name one with text= or image="
        )
    for column in found.values():
        if column not in present:
            raise UnknownColumnError(f"{name!r} has no column {column!r}{did_you_mean(column, present)}", column)
    return found


def _assign(
    name: str, splits: Mapping[str, _Split], known: HubData | None, columns: Mapping[str, str]
) -> list[tuple[str, Columns]]:
    """The splits that are used, with our names for them: the training split first.

    A test split without labels is left out, since its labels are hidden. Without a test split, the validation split tests.
    """
    wanted = list(dict.fromkeys(columns.values()))
    used: list[tuple[str, Columns]] = []
    for split, source in splits.items():
        ours = _our_name(split, known)
        if ours is None:
            continue
        values = source.read(wanted)
        if ours == "test" and "label" in columns and set(values[columns["label"]]) <= {None, -1}:
            log.info("the split %r of %s has no labels and is left out", split, name)
            continue
        used.append((ours, values))
    present = {ours for ours, _ in used}
    if "train" not in present:
        raise DataError(
            f"a dataset needs a training split; {name!r} has {name_some(splits, 10)}; read it with the library datasets, and pass it "
            "to Dataset.from_map"
        )
    if "test" not in present:
        used = [("test" if ours == "validation" else ours, values) for ours, values in used]
    return sorted(used, key=lambda pair: SPLITS.index(pair[0]))


def _our_name(split: str, known: HubData | None) -> str | None:
    """The split that a split becomes; None if it is not read."""
    if known is not None:
        return known.splits.get(split)
    return assign_splits([split])[0] if is_split_name(split) else None
