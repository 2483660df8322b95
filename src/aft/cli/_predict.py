"""``aft predict``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o
from aft.cli._evaluate import Run
from aft.cli._predict_exported import predict_exported


def predict(
    run: Run,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A table or its address (s3://...), a folder of images, one image, or - for the standard input: a text per line, or an image.",
        ),
    ] = None,
    input: Annotated[  # noqa: A002
        list[str] | None,
        typer.Option(metavar="TEXT", help="A text, instead of DATA; a tab separates a pair. Repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .csv, .jsonl or .parquet file; by default CSV on the standard output."),
    ] = None,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    id: o.Id = None,  # noqa: A002
    student: o.TrainedStudent = None,
    bad_inputs: o.BadInputs = "error",
    device: o.Device = "auto",
    precision: o.Precision = "fp32",
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Predict every sample of a table or folder, one image, or texts. Columns are those of the run unless they are given.

    RUN may be hf:OWNER/NAME, a repository that aft push has made, or an exported model (aft export), which needs no torch: a table of any length is read row by row, and a row that cannot be
    used is kept, with the reason in a column of errors.

    A table without the run's column of ids gets the numbers of its rows as ids.
    """
    from aft.core import downloaded
    from aft.errors import UsageError
    from aft.runtime import is_exported

    if (data is None) == (input is None):
        raise UsageError(
            "predictions need DATA or input=; received "
            + ("neither" if data is None else "both")
            + "; name a table, folder or image, or type a text"
        )
    columns = {"text": text, "text_pair": text_pair, "image": image, "image_root": image_root, "id": id}
    named = [f"{role}=" for role, column in columns.items() if column is not None]
    if named and (data is None or data == "-"):
        raise UsageError(f"only tables have columns; received {', '.join(named)} without one; leave them out")
    run = downloaded(run)
    if is_exported(run):
        predict_exported(run, data, input, out, columns, precision=precision, overwrite=overwrite)
        return
    import aft
    from aft.runs import open_inputs, typed_inputs, write_predictions
    from aft.runtime import check_output

    if out is not None:
        check_output(out, data, overwrite=overwrite)
    model = aft.load(run, student=student, device=device, precision=precision)  # type: ignore[arg-type]
    if input is not None:
        dataset = typed_inputs(run, input, bad_inputs=bad_inputs)  # type: ignore[arg-type]
    elif data == "-":
        raw = sys.stdin.buffer.read()
        values = [raw] if model.config.data.kind == "image" else raw.rstrip().splitlines()
        dataset = typed_inputs(run, values, bad_inputs=bad_inputs)  # type: ignore[arg-type]
    else:
        given = {role: None if column is None else str(column) for role, column in columns.items()}
        dataset = open_inputs(run, data, given, bad_inputs=bad_inputs, row_ids=True)  # type: ignore[arg-type]
    order, dataset = dataset.ids, dataset.verified(bad_inputs)  # type: ignore[arg-type]
    for skipped in dataset.skipped:
        typer.echo(f"skipped {skipped.id!r}: {skipped.reason}", err=True)
    predictions = model.predict(dataset.inputs)
    write_predictions(out, dataset.ids, predictions, skipped=dataset.skipped, order=order, overwrite=overwrite)
    if out is not None:
        typer.echo(out)
