"""``aft predict`` for an exported model."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

#: Kinds of tables that are read row by row.
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


def predict_exported(
    folder: Path,
    data: str | None,
    typed: Sequence[str] | None,
    out: Path | None,
    given: Mapping[str, Any],
    *,
    precision: str,
    overwrite: bool,
) -> None:
    """Predict with an exported model.

    Args:
        folder: The exported model.
        data: A table, a folder of images, an image, or ``-``.
        typed: Texts, instead of data.
        out: A ``.csv``, ``.jsonl`` or ``.parquet`` file; by default CSV on the standard output.
        given: Columns by role; those of the training by default.
        precision: ``"fp32"`` or ``"int8"``.
        overwrite: Replace an existing file.
    """
    from aft.runtime import ExportedModel, predict_file

    model = ExportedModel(folder, precision=precision)  # type: ignore[arg-type]
    if data is not None and Path(data).suffix.lower() in TABLES:
        columns = model.description.columns | {
            role: str(column) for role, column in given.items() if column is not None and role != "image_root"
        }
        if given.get("id") is None and "id" in columns and not _has_column(data, columns["id"]):
            columns.pop("id")
        done = predict_file(model, data, out, columns, image_root=given.get("image_root"), overwrite=overwrite)
        if done.failed:
            typer.echo(
                f"{done.failed} of {done.predicted + done.failed} rows have no prediction; the first: {done.first}",
                err=True,
            )
    else:
        texts = given.get("text") or model.description.columns.get("text", "")
        suffix = texts if str(texts).startswith(".") else None  # of the files that hold the texts of a folder's images
        _predict_inputs(model, data, typed, out, suffix, overwrite=overwrite)
    if out is not None:
        typer.echo(out)


def _has_column(data: str, column: str) -> bool:
    """Whether a table has a column: one without the ids of the training has the numbers of its rows as ids."""
    from aft.errors import AftError
    from aft.runtime import read_rows

    try:
        next(read_rows(data, [column]), None)
    except AftError:
        return False
    return True


def _predict_inputs(
    model: Any, data: str | None, typed: Sequence[str] | None, out: Path | None, suffix: str | None, *, overwrite: bool
) -> None:
    """Predict typed texts, the standard input, a folder of images or an image."""
    from aft.data import open_dataset
    from aft.errors import DataError, UsageError
    from aft.runtime import check_output, open_writer

    if out is not None:
        check_output(out, data, overwrite=overwrite)
    inputs: Any
    if typed is not None or data == "-":
        if model.description.inputs not in ("text", "pair"):
            raise UsageError(
                f"inputs on the command line are texts; this model takes {model.description.inputs}; pass a table or a folder as DATA"
            )
        lines = list(typed) if typed is not None else sys.stdin.read().rstrip("\n").split("\n")
        inputs = lines if model.description.inputs == "text" else [tuple(line.split("\t")) for line in lines]
        ids: Sequence[str] = [str(number) for number in range(1, len(inputs) + 1)]
    else:
        assert data is not None
        dataset = open_dataset(data, text=suffix, bad_inputs="skip").verified("skip")
        for skipped in dataset.skipped:
            typer.echo(f"skipped {skipped.id!r}: {skipped.reason}", err=True)
        if dataset.kind != model.description.inputs:
            raise DataError(
                f"this model predicts inputs of the modality {model.description.inputs}; {data!r} holds {dataset.kind}; pass others"
            )
        inputs, ids = dataset.inputs, dataset.ids
    with open_writer(out, model.targets.classes) as answer:
        for sample_id, prediction in zip(ids, model.predict(inputs), strict=True):
            answer(sample_id, prediction, None)
