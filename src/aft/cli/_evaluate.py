"""``aft evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def evaluate(
    run: Run,
    data: o.Data,
    part: Annotated[str, typer.Option(help="test, validation, train, or all.")] = "test",
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    label: o.Label = None,
    id: o.Id = None,  # noqa: A002
    split: o.Split = None,
    student: o.Code = None,
    bad_inputs: o.BadInputs = "error",
    device: o.Device = "auto",
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Measure a run on labelled samples; columns are the run's own unless named.

    Samples that the run was trained on never count as test samples.
    """
    import aft
    from aft.runs import columns_of

    given = {
        "text": text,
        "text_pair": text_pair,
        "image": image,
        "image_root": image_root,
        "label": label,
        "id": id,
        "split": split,
    }
    dataset = o.open_data(data, bad_inputs=bad_inputs, **columns_of(run, given))
    metrics = aft.evaluate(run, dataset, split=None if part == "all" else part, device=device, student=student)
    for name, value in metrics.values.items():
        typer.echo(f"{name:10} {value:.4f}")
    typer.echo(f"{'samples':10} {metrics.samples}")
