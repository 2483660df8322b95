"""Samples from a table: which column means what, and what its cells must hold."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aft.core import is_url
from aft.data._cells import Columns
from aft.data._columns import frame_columns, read_columns
from aft.data._contents import Contents
from aft.data._digest import digest_bytes
from aft.data._holdout import assign_splits
from aft.data._ids import content_ids
from aft.data._inputs import ImageBytes, ImageFiles, ImageTexts, Inputs, Texts
from aft.data._modality import modality_name
from aft.data._repeated import CompactBuilder
from aft.data._strings import Strings
from aft.errors import DataError, UsageError, name_some

log = logging.getLogger("aft")

#: The columns that inputs may consist of.
INPUTS = (("text",), ("text", "text_pair"), ("image",), ("image", "text"))
#: Words that stand for a missing label unless the caller says otherwise; pandas reads the same ones as missing.
MISSING_LABELS = ("#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")


def read_table(
    table: Any,
    image_root: Path | None,
    missing: str | Sequence[str] = MISSING_LABELS,
    *,
    row_ids: bool = False,
    **columns: str | None,
) -> Contents:
    """Read the samples of a table; see `Dataset.from_table`.

    Args:
        table: A file, a data frame of pandas or polars, or an Arrow table.
        image_root: Folder of the images; by default the folder of the file.
        missing: Words that stand for a missing label, or one string of them, separated by commas.
        row_ids: Use the numbers of the rows as ids, if there is no column of ids.
        **columns: Name of the column for each of ``text``, ``text_pair``, ``image``, ``label``, ``id``,
            ``split`` and ``group``; None where the table has none.

    Returns:
        The samples, in the order of the rows.

    Raises:
        DataError: A file, column or row that cannot be used.
        UsageError: Neither a text nor an image column is named, or an image with a pair of texts.
    """
    named = {role: column for role, column in columns.items() if column is not None}
    roles = tuple(role for role in ("image", "text", "text_pair") if role in named)
    if roles not in INPUTS:
        received = ", ".join(f"{role}={named[role]!r}" for role in roles)
        raise UsageError(
            f"the inputs of a table are a text, a pair of texts, an image, or an image and a text; received {received or 'none'}; "
            "name their columns with text=, text_pair= and image="
        )
    wanted = list(dict.fromkeys(named.values()))
    file = table if is_url(table) else Path(table) if isinstance(table, str | Path) else None
    values = frame_columns(table, wanted) if file is None else read_columns(file, wanted)
    cells = {role: values[column] for role, column in named.items()}
    folder = file.parent if isinstance(file, Path) else None if isinstance(file, str) else Path()
    inputs = _inputs(cells, image_root or folder)
    source = {
        "kind": modality_name(inputs.modality),
        "path": type(table).__name__ if file is None else str(file),
        **named,
    }
    if image_root is not None:
        source["image_root"] = str(image_root)
    words = missing.split(",") if isinstance(missing, str) else [str(word) for word in missing]
    if words != list(MISSING_LABELS) and "label" in named:
        source["missing"] = ",".join(words)
    stripped = frozenset(word.strip() for word in words)
    labels, found = _labels(cells.get("label"), stripped)
    never = stripped - found.keys() - {""}
    if never and "missing" in source:
        log.warning("no label is %s, which missing= names; check the spelling", name_some(sorted(never)))
    ids, digests = _ids(cells, inputs, row_ids=row_ids)
    return Contents(
        ids=ids,
        inputs=inputs,
        labels=labels,
        splits=assign_splits(cells["split"]) if "split" in cells else None,
        groups=cells["group"] if "group" in cells else _groups(inputs, cells),
        source=source,
        missing=found,
        digests=digests,
    )


def _inputs(cells: Columns, root: Path | None) -> Inputs:
    texts = images = None
    if "text" in cells:
        pair = cells.get("text_pair")
        texts = Texts(_texts(cells["text"]), None if pair is None else _texts(pair))
    if "image" in cells:
        images = _images(cells["image"], root)
    if texts is not None and images is not None:
        return ImageTexts(images, texts)
    found = images if texts is None else texts
    assert found is not None
    return found


def _images(cells: Sequence[Any], root: Path | None) -> Inputs:
    contents = [_image_bytes(cell) for cell in cells]
    if any(content is not None for content in contents):
        return ImageBytes([content or b"" for content in contents])
    if root is None:
        raise DataError(
            f"a table in object storage holds its images, or image_root= is the folder of this machine that does; received paths, such as "
            f"{_path(cells[0])!r}; name the folder, or put the images into a Parquet file"
        )
    return ImageFiles([_image_path(root, _path(cell), row) for row, cell in enumerate(cells, start=1)])


def _groups(inputs: Inputs, cells: Columns) -> list[str] | None:
    """Samples of one image belong together: with it in training, a test text would be half known. Splits of the data's own are kept."""
    if not isinstance(inputs, ImageTexts) or "split" in cells:
        return None
    contents = [_image_bytes(cell) for cell in cells["image"]]
    return [
        _path(cell) if content is None else digest_bytes(content)
        for cell, content in zip(cells["image"], contents, strict=True)
    ]


def _image_bytes(cell: Any) -> bytes | None:
    """The image that a cell contains: bytes, or Hugging Face's struct of bytes and path."""
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    return content if isinstance(content, bytes) else None


def _path(cell: Any) -> str:
    """The path of an image that a cell names, alone or in Hugging Face's struct; empty if there is none."""
    return str((cell.get("path") if isinstance(cell, dict) else cell) or "")


def _labels(cells: Sequence[Any] | None, missing: frozenset[str]) -> tuple[Sequence[Any] | None, dict[str, int]]:
    """The labels, None where one is missing; and how often each of the words for that occurs."""
    if cells is None:
        return None, {}
    found: Counter[str] = Counter()
    labels = CompactBuilder()
    for cell in cells:
        whole = isinstance(cell, float) and cell.is_integer()
        word = "" if cell is None else str(int(cell) if whole else cell).strip()
        if word in missing:
            found[word] += 1
            cell = None
        labels.append(cell)
    found.pop("", None)
    if found:
        words = ", ".join(f"{word!r} {count} times" for word, count in found.items())
        log.warning("these labels are read as missing: %s; missing= names other words for that", words)
    return labels.build(), dict(found)


def _ids(cells: Columns, inputs: Inputs, *, row_ids: bool) -> tuple[Sequence[str], Sequence[str] | None]:
    """The ids; and where they come from the inputs, the digests of these."""
    if "id" in cells:
        for row, cell in enumerate(cells["id"], start=1):
            if cell is None or str(cell) == "":
                raise DataError(f"every sample needs an id; row {row} has none; fill in the cell, or leave out id=")
        return Strings.of(cells["id"] if isinstance(cells["id"], Strings) else map(str, cells["id"])), None
    if row_ids:
        return Strings.of(str(row) for row in range(1, len(inputs) + 1)), None
    if isinstance(inputs, ImageFiles):
        return Strings.of(_path(cell) for cell in cells["image"]), None
    return content_ids(inputs)


def _texts(cells: Sequence[Any]) -> Iterable[str]:
    return cells if isinstance(cells, Strings) else map(_text, cells)


def _text(cell: Any) -> str:
    if isinstance(cell, bytes | list | dict):
        raise DataError(
            f"a text is a string; received {type(cell).__name__}, {cell!r:.60}; convert the column, or name another with text="
        )
    return "" if cell is None else str(cell)


def _image_path(root: Path, relative: str, row: int) -> Path:
    path = root / relative
    if not relative:
        raise DataError(f"every row needs an image path; row {row} has none; fill in the cell, or remove the row")
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"image paths must lie below the table's folder, or below image_root= if it is given; row {row} has "
            f"{relative!r}; pass the folder that holds the images as image_root="
        )
    return path
