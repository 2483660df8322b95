"""The options ``--teacher`` and ``--dry-run`` of commands that train: features are computed where they are missing."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Teachers = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher", metavar="[NAME=]MODEL",
        help="A model to learn from, whose features are computed first, unless they are there; repeatable. See aft models.",
    ),
]  # fmt: skip
StoresOf = Annotated[
    str | None,
    typer.Option(
        "--stores", metavar="DIR", help="Where the features of --teacher are kept; by default features/ with the data's name."
    ),
]  # fmt: skip
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Print what would be done and about what it takes; download, compute and write nothing."
    ),
]


def named_teachers(teachers: Sequence[str]) -> dict[str, str]:
    """Parse the values of ``--teacher``.

    Args:
        teachers: Each a model, or ``NAME=MODEL``.

    Returns:
        Models by the names of their stores.

    Raises:
        UsageError: Two have the same name.
    """
    from aft.errors import UsageError
    from aft.extraction import default_name
    from aft.models import ModelSpec

    named: dict[str, str] = {}
    for teacher in teachers:
        match = re.match(r"^([\w.+-]+)=([^=,]+(?:[,:].*)?)$", teacher)
        name, model = (match[1], match[2]) if match else (default_name(teacher), teacher)
        ModelSpec.parse(model)
        if name in named:
            raise UsageError(
                f"teachers need different names; received {name!r} twice; write --teacher NAME=MODEL with another NAME"
            )
        named[name] = model
    return named


def with_teachers(
    dataset: Any,
    data: str,
    features: Sequence[str] | None,
    teachers: Sequence[str] | None,
    stores: str | None,
    **options: Any,
) -> list[Any]:
    """The stores that ``--features`` names, and those of ``--teacher``, after computing what they lack.

    A teacher whose store ``--features`` names already is not computed: a config file may hold both, for different commands.

    Args:
        dataset: The samples.
        data: What they were read from.
        features: The stores that are there.
        teachers: Models, as for `named_teachers`.
        stores: Where the features of these are kept.
        **options: Settings of the extraction.

    Returns:
        The stores, or their directories.
    """
    from aft.extraction import extract_all
    from aft.features import open_stores

    listed: list[Any] = list(open_stores(features or []))
    there = {store.name for store in listed}
    named = named_teachers(teachers or [])
    for name in there & named.keys():
        typer.echo(f"teacher {name}: --features names its features, which are used as they are", err=True)
    wanted = {name: model for name, model in named.items() if name not in there}
    if wanted:
        listed += extract_all(dataset, wanted, out=stores or str(Path("features") / Path(data).stem), **options)
    return listed


def needed(out: Path | None) -> Path:
    """The directory to write, which only a dry run does without.

    Raises:
        UsageError: It was not given.
    """
    from aft.errors import UsageError

    if out is None:
        raise UsageError("what is computed is kept in a directory; received no out=; name one, or add --dry-run")
    return out


def print_forecast(
    read: Callable[[], Any], data: str, students: Sequence[str], teachers: Sequence[str] | None, config: Any, *,
    methods: int = 1, seeds: int = 1,
) -> None:  # fmt: skip
    """Print what a training would do.

    Args:
        read: Reads the dataset.
        data: Its path or name.
        students: Names of the students.
        teachers: Models, as for `named_teachers`.
        config: The settings.
        methods: Number of methods, fine-tuning included.
        seeds: Number of final trainings of each.
    """
    from aft.training import at_hand, data_facts, forecast

    facts = data_facts(data, read() if at_hand(data) else None, config)
    models = named_teachers(teachers or [])
    for student in students:
        for line in forecast(facts, student, models, config, methods=methods, seeds=seeds):
            typer.echo(line)
