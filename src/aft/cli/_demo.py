"""``aft demo``."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for features, runs and the table.")] = Path("demo"),
    short: Annotated[
        bool, typer.Option("--short", help="A few hundred sentences and one seed, to see that it works.")
    ] = False,
) -> None:
    """The main job on real data: a small student of movie-review polarity learns from a large text model."""
    from aft.demo import run_demo

    typer.echo(run_demo(out, short=short))
