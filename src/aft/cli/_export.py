"""``aft export``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o
from aft.cli._evaluate import Run


def export(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")],
    to: Annotated[
        str, typer.Option(help="The format: onnx, torch-export, safetensors, timm, transformers or model2vec.")
    ] = "onnx",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Samples to check it on; by default the test split of the run's own data."),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="With ONNX, also write weights of 8 bits, and measure what that costs and saves."),
    ] = False,
    student: o.TrainedStudent = None,
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Write a run for other programs, checked against the trained student on real samples.

    By default that is an ONNX graph with its preprocessing: aft predict DIR runs it, with the extra 'runtime' alone, without torch.
    """
    import aft

    typer.echo(aft.export(run, out, to=to, data=data, student=student, int8=int8, overwrite=overwrite))
    typer.echo(out)
