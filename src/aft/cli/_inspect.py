"""``aft inspect``."""

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    path: Annotated[str, typer.Argument(metavar="DIR", help="A feature store or a run directory.")],
    verify: Annotated[bool, typer.Option("--verify", help="Read every byte and check it.")] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Remove what is damaged in a feature store, so that the same extraction recomputes just that.",
        ),
    ] = False,
) -> None:
    """Describe a feature store or a run, and say whether it is intact."""
    from aft.errors import printable

    if repair:
        _repair(path)
        return
    rows, findings = _describe(path, verify)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{printable(name):{width}}  {printable(value)}")
    if findings:
        for finding in findings:
            typer.echo(f"aft: {finding}", err=True)
        raise typer.Exit(2)


def _describe(path: str, verify: bool) -> tuple[list[tuple[str, str]], list[str]]:
    from aft.core import is_url
    from aft.errors import UsageError
    from aft.features import describe_store

    directory = Path(path)
    if is_url(path) or any((directory / name).exists() for name in ("plan.json", "manifest.json")):
        return describe_store(path, verify=verify)
    if any((directory / name).exists() for name in ("comparison.json", "trainings.jsonl")):
        raise UsageError(
            f"aft inspect takes a feature store or a run directory; {path!r} is a comparison; show it with aft report, or "
            f"inspect one of its runs, such as {str(directory / 'runs' / 'finetune-0')!r}"
        )
    if (directory / "config.json").exists():
        from aft.runs import describe_run

        return describe_run(directory, verify=verify)
    inner = sorted(p.parent.name for p in directory.glob("*/manifest.json")) if directory.is_dir() else []
    hint = f"did you mean {str(directory / inner[0])!r}?" if inner else "pass the directory of one"
    raise UsageError(f"aft inspect takes a feature store or a run directory; {path!r} is neither; {hint}")


def _repair(path: str) -> None:
    from aft.features import repair as repair_store

    done = repair_store(path)
    for sentence in done or ["the store is intact; nothing was changed"]:
        typer.echo(sentence)
    if any("was removed" in sentence for sentence in done):
        typer.echo("run the same extraction again to recompute what was removed")
