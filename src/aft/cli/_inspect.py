"""``aft inspect``."""

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="A feature store or a run folder.")],
    verify: Annotated[bool, typer.Option("--verify", help="Read every byte and check it.")] = False,
) -> None:
    """Tell what a feature store or a run holds, and whether it is intact."""
    from aft.inspection import describe

    report = describe(path, verify=verify)
    for line in report.lines:
        typer.echo(line)
    if report.findings:
        for finding in report.findings:
            typer.echo(f"aft: {finding}", err=True)
        raise typer.Exit(2)
