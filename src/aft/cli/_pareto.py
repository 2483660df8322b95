"""``aft pareto``."""

from pathlib import Path
from typing import Annotated

import typer


def pareto(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The directory of a comparison of several students, or of comparisons."),
    ],
    within: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="How far from the teachers' error is good enough: in percentage points, for regression in the label's unit.",
        ),
    ] = None,
) -> None:
    """Name the smallest student that is good enough, and show error, latency and size of all."""
    import aft
    from aft.results import make_pareto

    found = aft.pareto(directory)
    if within is not None:
        found = make_pareto(found.path, found.comparisons, within if found.regression else within / 100)
    typer.echo(found)
    typer.echo(f"\n{found.conclusion}")
