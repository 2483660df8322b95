"""``aft inspect``."""

from typing import Annotated

import typer


def inspect(
    path: Annotated[str, typer.Argument(metavar="DIR", help="A feature store or a run folder.")],
    verify: Annotated[bool, typer.Option("--verify", help="Read every byte and check it.")] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Remove what is broken in a feature store, so that the same extraction goes on with the rest.",
        ),
    ] = False,
) -> None:
    """Tell what a feature store or a run holds, and whether it is intact."""
    from aft.runs import describe

    if repair:
        from aft.features import repair as repair_store

        done = repair_store(path)
        for sentence in done or ["every byte was read and is as written; nothing was changed"]:
            typer.echo(sentence)
        if any("was removed" in sentence for sentence in done):
            typer.echo("run the extraction that made it again: it computes what was removed")
        return
    report = describe(path, verify=verify)
    for line in report.lines:
        typer.echo(line)
    if report.findings:
        for finding in report.findings:
            typer.echo(f"aft: {finding}", err=True)
        raise typer.Exit(2)
