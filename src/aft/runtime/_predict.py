"""Predictions for a file of any length, in constant memory."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from aft.core import one_ahead
from aft.data import ImageBytes, Modality, Targets, check_inputs
from aft.errors import AftError, DataError, UsageError
from aft.runtime._prediction import Prediction
from aft.runtime._rows import Row, read_rows
from aft.runtime._writers import check_output, open_writer

#: Rows that are read and predicted together: of texts, and of images, which are large before they are resized.
CHUNK, IMAGES = 2048, 16
#: Ids of rows, each with an error if it has one.
_Rows = list[tuple[str, str | None]]


class Predictor(Protocol):
    """What predicts: an `ExportedModel`, for example."""

    @property
    def modality(self) -> Modality:
        """Parts of an input."""

    @property
    def targets(self) -> Targets:
        """The task."""

    def predict(self, inputs: Sequence[Any]) -> list[Prediction]:
        """Predict raw inputs."""


class Answered(NamedTuple):
    """How many rows were answered.

    Attributes:
        predicted: Rows with a prediction.
        failed: Rows with an error instead.
        first: The first error, with the id of its row; None if there was none.
    """

    predicted: int
    failed: int
    first: str | None


def predict_file(
    model: Predictor,
    data: str | Path,
    out: str | Path | None,
    columns: dict[str, str],
    *,
    image_root: Path | None = None,
    overwrite: bool = False,
) -> Answered:
    """Predict every row of a file.

    A row that cannot be used is kept: its answer is the reason. The output appears when all rows are answered.

    Args:
        model: The model.
        data: A ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file, or its address in object storage.
        out: A ``.csv``, ``.jsonl`` or ``.parquet`` file; None writes CSV to the standard output.
        columns: Names of the columns: ``text``, ``text_pair``, ``image``, and ``id`` if there is one.
        image_root: Folder that image paths are relative to; by default that of the file.
        overwrite: Replace an existing file.

    Returns:
        How many rows were answered.

    Raises:
        UsageError: A file that exists, or inputs that a table cannot hold.
        DataError: The file or a column is missing.

    Example:
        >>> predict_file(ExportedModel("exported"), "new.csv", "answers.csv", {"text": "sentence"})
        Answered(predicted=998, failed=2, first="row 17: the text is empty")
    """
    target = None if out is None else Path(out)
    if target is not None:
        check_output(target, data, overwrite=overwrite)
    roles = {
        ("text",): ["text"],
        ("text", "text"): ["text", "text_pair"],
        ("image",): ["image"],
        ("image", "text"): ["image", "text"],
    }
    if model.modality not in roles:
        raise UsageError("the rows of a file hold texts and images; this model takes arrays; use its method predict")
    names = []
    for role in roles[model.modality]:
        if role not in columns:
            raise UsageError(f"this model reads a column of each input; received none for {role}=; name it")
        names.append(columns[role])
    identity = columns.get("id")
    rows = read_rows(data, [*names, *([identity] if identity else [])])
    root = image_root or Path(data).parent

    def read(chunk: list[Row]) -> tuple[_Rows, list[Any]]:
        """The id of every row, with its error if it has one, and the inputs of the others."""
        usable, inputs = [], []
        for row in chunk:
            value, error = _input(row, names, model.modality, root)
            name = str(row.values.get(identity, row.number)) if identity else str(row.number)
            usable.append((name.encode("utf-8", "backslashreplace").decode(), error))  # an id may be no UTF-8
            if error is None:
                inputs.append(value)
        return usable, inputs

    def predict(chunk: tuple[_Rows, list[Any]]) -> tuple[_Rows, list[Prediction]]:
        usable, inputs = chunk
        return usable, model.predict(inputs) if inputs else []

    predicted, failed, first = 0, 0, None
    chunks = _chunks(rows, IMAGES if "image" in model.modality else CHUNK)
    with open_writer(target, model.targets.classes) as answer:
        # Each chunk is predicted while the one before is written and the one after is read.
        for usable, predictions in one_ahead(predict, map(read, chunks)):
            answers = iter(predictions)
            for sample_id, error in usable:
                answer(sample_id, None if error else next(answers), error)
                predicted, failed = predicted + (error is None), failed + (error is not None)
                if error and first is None:
                    first = f"row {sample_id}: {error}"
    return Answered(predicted, failed, first)


def _chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _input(row: Row, names: Sequence[str], modality: Modality, root: Path) -> tuple[Any, str | None]:
    """The raw input of a row, or why it has none."""
    if row.error is not None:
        return None, row.error
    try:
        parts = [_part(row.values.get(name), kind, root) for name, kind in zip(names, modality, strict=True)]
        value = parts[0] if len(parts) == 1 else tuple(parts)
        return check_inputs([value], modality)[0], None
    except AftError as error:
        # Without the sentence's frame, which speaks of a list of inputs.
        return None, str(error.__cause__ or error)


def _part(value: Any, kind: str, root: Path) -> Any:
    """A cell as an input: texts as they are, images from their path or their bytes."""
    if kind == "text":
        if not isinstance(value, str):
            raise DataError(f"the text is {'missing' if value is None else f'of the type {type(value).__name__}'}")
        return value
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return ImageBytes([value])[0]
    if not isinstance(value, str) or not value:
        raise DataError("the image is missing")
    path = (root / value).resolve()
    if not path.is_relative_to(root.resolve()):
        raise DataError("the path of the image leads out of the table's folder")
    return path
