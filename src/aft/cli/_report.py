"""``aft report``."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The directory of a comparison, or a directory of several.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; by default DIR/report.html.")] = None,
) -> None:
    """Turn a comparison, or several, into one HTML page."""
    import aft

    typer.echo(aft.report(directory, out))
