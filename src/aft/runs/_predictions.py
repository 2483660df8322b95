"""Predictions of a run: which samples, and where they are written."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aft.data import (
    Dataset,
    ImageBytes,
    ImageFiles,
    ImageTexts,
    Inputs,
    OnBad,
    Skipped,
    Texts,
    holds_several_images,
    is_image,
    open_dataset,
    open_new,
)
from aft.errors import DataError, UsageError
from aft.runs._layout import RunLayout
from aft.runs._schema import RunConfig
from aft.runtime import Prediction, check_output, open_writer


def write_predictions(
    out: str | Path | None,
    ids: Sequence[str],
    predictions: Sequence[Prediction],
    *,
    skipped: Sequence[Skipped] = (),
    order: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write predictions to a file, atomically, or to the standard output.

    Args:
        out: A ``.csv`` file with the columns ``id``, ``label`` and one for the probability of each class, or a ``.jsonl`` or
            ``.parquet`` file. None writes CSV to the standard output.
        ids: The ids of the samples, in the order of the predictions.
        predictions: The predictions.
        skipped: Samples without a prediction, each written with its reason; CSV then has a column ``error``.
        order: All ids in the order of the data; by default those with a prediction first.
        overwrite: Replace an existing file.

    Raises:
        UsageError: Another kind of file, or one that exists.
    """
    target = None if out is None else Path(out)
    if target is not None:
        check_output(target, None, overwrite=overwrite)
    classes = list(predictions[0].probabilities) if predictions else []
    predicted, reasons = dict(zip(ids, predictions, strict=True)), dict(skipped)
    with open_writer(target, classes, errors=bool(reasons)) as answer:
        for sample_id in dict.fromkeys([*(order or ids), *reasons]):
            answer(sample_id, predicted.get(sample_id), reasons.get(sample_id))


def open_inputs(run: str | Path, data: str | Path, given: Mapping[str, str | None], **options: Any) -> Dataset:
    """Read the samples of a table or folder as a run was trained on them.

    Args:
        run: The run directory.
        data: The table, folder or image.
        given: Columns by role; None where none was given. The others are those of the run, as far as the table has ids.
        **options: Further arguments of `aft.data.open_dataset`.

    Returns:
        The samples.
    """
    config = RunConfig.read(RunLayout(Path(run)).config).data
    named = {role: column for role, column in given.items() if column is not None}
    # A table with other inputs than the run's: nothing can be said of its other columns.
    stored = {} if named.keys() & {"text", "image"} or _has_no_columns(data) else dict(config.columns)
    if str(config.columns.get("text", "")).startswith("."):  # not a column, but the suffix of the files of a folder
        stored.pop("text", None)
        if Path(data).is_dir() and not named:
            stored = {"text": config.columns["text"]}
    if Path(data).resolve().parent != Path(config.path).resolve().parent:
        # Elsewhere, files of the same names are other images.
        stored.pop("image_root", None)
    columns: dict[str, Any] = {role: named.get(role, stored.get(role)) for role in given}
    dataset = (open_dataset if "id" in named else open_new)(data, **columns, **options)
    if dataset.kind != config.kind:
        raise DataError(
            f"a run predicts what it was trained on, inputs of the modality {config.kind}; {str(data)!r} holds "
            f"{dataset.kind}; name other columns, or another run"
        )
    return dataset


def typed_inputs(run: str | Path, values: Iterable[str | bytes], *, bad_inputs: OnBad = "error") -> Dataset:
    """Samples that were typed on the command line or read from the standard input.

    Args:
        run: The run directory.
        values: Texts, with a tab between those of a pair; paths of images, a tab and their texts; or encoded images.
        bad_inputs: As for `Dataset.from_table`.

    Returns:
        The samples; their ids are their numbers, from 1 on.

    Raises:
        UsageError: The run takes arrays, which cannot be typed.
    """
    kind = RunConfig.read(RunLayout(Path(run)).config).data.kind
    listed = list(values)
    if not any(listed):
        raise DataError("predictions need at least one input; received none; type a text, or send an image")
    inputs: Inputs
    if kind == "image":
        if isinstance(listed[0], str):
            raise UsageError(
                f"input= is a text, and this run takes images; received {listed[0]!r}; pass the image file as DATA"
            )
        images = [value for value in listed if isinstance(value, bytes)]
        if any(holds_several_images(value) for value in images):
            raise DataError(
                "the standard input holds one image; received several, one after the other; pass their folder as DATA"
            )
        inputs = ImageBytes(images)
    elif kind in ("text", "pair"):
        texts = [_decode(value, number) for number, value in enumerate(listed, 1)]
        inputs = Texts(texts) if kind == "text" else _pairs(texts)
    elif kind == "image+text":
        rows = _divided(
            [_decode(value, number) for number, value in enumerate(listed, 1)], "an image's path and its text"
        )
        inputs = ImageTexts(ImageFiles([Path(path) for path, _ in rows]), Texts([text for _, text in rows]))
    else:
        raise UsageError(
            f"inputs on the command line are texts or images; this run takes arrays; use aft.load({str(run)!r})"
        )
    ids = [str(number) for number in range(1, len(listed) + 1)]
    return Dataset(ids, inputs, bad_inputs=bad_inputs)


def _decode(value: str | bytes, number: int) -> str:
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"texts are UTF-8; line {number} of the standard input is not, at byte {error.start}; convert it, for example with "
            "iconv"
        ) from error


def _pairs(texts: Sequence[str]) -> Texts:
    """Texts whose two parts are separated by a tab."""
    parts = _divided(texts, "the two texts of a pair")
    return Texts([pair[0] for pair in parts], [pair[1] for pair in parts])


def _divided(texts: Sequence[str], what: str) -> list[list[str]]:
    """The two parts of each text, which a tab separates."""
    parts = [text.split("\t") for text in texts]
    for number, pair in enumerate(parts, 1):
        if len(pair) != 2:
            raise DataError(
                f"{what} are separated by one tab; input {number} has {len(pair) - 1}; correct it, or pass a table"
            )
    return parts


def _has_no_columns(data: str | Path) -> bool:
    return Path(data).is_dir() or (Path(data).is_file() and is_image(Path(data)))
