"""``aft demo``."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory for features, runs and results.")] = Path("demo"),
    short: Annotated[
        bool, typer.Option("--short", help="A few hundred sentences and one seed, to check that everything works.")
    ] = False,
) -> None:
    """Run the main workflow on real data: a small model of movie-review polarity learns from a large text model."""
    from aft.demo import run_demo

    typer.echo(run_demo(out, short=short))
