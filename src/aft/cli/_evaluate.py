"""``aft evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]


def evaluate(
    run: Run,
    data: o.Data,
    on: Annotated[str, typer.Option(help="Split to measure on: test, validation, train, or all.")] = "test",
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    label: o.Label = None,
    missing: o.Missing = None,
    id: o.Id = None,  # noqa: A002
    split: o.Split = None,
    student: o.TrainedStudent = None,
    bad_inputs: o.BadInputs = "error",
    device: o.Device = "auto",
    precision: o.Precision = "fp32",
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Measure a run on labelled samples. Columns are those of the run unless they are given.

    Samples that the run was trained on never count as test samples.
    """
    import aft
    from aft.runs import open_inputs

    dataset = open_inputs(
        run,
        data,
        {
            "text": text, "text_pair": text_pair, "image": image,
            "image_root": None if image_root is None else str(image_root), "label": label, "id": id, "split": split,
            "missing": missing,
        },
        bad_inputs=bad_inputs,
    )  # fmt: skip
    metrics = aft.evaluate(run, dataset, on=on, device=device, student=student, precision=precision)  # type: ignore[arg-type]
    width = max(map(len, ["samples", *metrics.values]))
    for name, value in metrics.values.items():
        typer.echo(f"{name:{width}} {value:.4f}")
    typer.echo(f"{'samples':{width}} {metrics.samples}")
