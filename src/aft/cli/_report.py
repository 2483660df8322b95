"""``aft report``."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What aft compare wrote to, or a folder of such.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; by default DIR/report.html.")] = None,
) -> None:
    """Make one HTML page of a comparison; of several, where DIR is a folder of them."""
    import aft

    typer.echo(aft.report(folder, out))
