"""``aft predict``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o
from aft.cli._evaluate import Run


def predict(
    run: Run,
    data: o.Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .csv or .jsonl file.")],
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    id: o.Id = None,  # noqa: A002
    student: o.TrainedStudent = None,
    bad_inputs: o.BadInputs = "error",
    device: o.Device = "auto",
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Predict every sample of a table or folder. Columns are those of the run unless they are given."""
    import aft
    from aft.runs import check_output, input_columns, write_predictions

    check_output(out, overwrite=overwrite)
    given = {
        "text": text, "text_pair": text_pair, "image": image,
        "image_root": None if image_root is None else str(image_root), "id": id,
    }  # fmt: skip
    columns = {**input_columns(run, given), "label": None, "split": None, "group": None, "missing": None}
    dataset = o.open_data(data, bad_inputs=bad_inputs, **columns).verified(bad_inputs)
    for skipped in dataset.skipped:
        typer.echo(f"skipped {skipped.id!r}: {skipped.reason}", err=True)
    predictions = aft.load(run, student=student, device=device).predict(dataset.inputs)
    write_predictions(out, dataset.ids, predictions, overwrite=overwrite)
    typer.echo(out)
