"""``aft push``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o


def push(
    run: Annotated[Path, typer.Argument(metavar="RUN|EXPORTED", help="A run directory, or a folder of aft export.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository.")],
    comparison: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A comparison to show in the card; by default that which the run is part of."),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The student's licence, as the hub writes it, such as apache-2.0."),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Let everyone read a new repository.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Send a run or an export to the Hugging Face Hub, with a model card.

    Nothing is sent that tells of samples or of this machine's folders. The token is that of hf auth login, or of HF_TOKEN.
    """
    import aft
    from aft.core import format_size

    publication = aft.push(run, repo, comparison=comparison, licence=licence, public=public, dry_run=dry_run)
    for name, size in publication.files.items():
        typer.echo(f"{format_size(size):>10}  {name}")
    typer.echo(f"{'would go' if dry_run else 'sent'} to {repo}")
