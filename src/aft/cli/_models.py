"""``aft models``."""

from typing import Annotated

import typer

Inputs = Annotated[str | None, typer.Option(metavar="image|text", help="Only models of these inputs.")]


def models(
    inputs: Inputs = None,
    use: Annotated[str | None, typer.Option(metavar="teacher|student", help="Only teachers, or only students.")] = None,
) -> None:
    """List the models that are known by name: aft extract --teacher NAME."""
    from aft.catalogue import KNOWN_MODELS
    from aft.errors import UsageError, did_you_mean

    if use not in (None, "teacher", "student"):
        raise UsageError(
            f"use= is teacher or student; received {use!r}{did_you_mean(str(use), ['teacher', 'student'])}"
        )
    chosen = checked_inputs(inputs)
    rows = [("name", "inputs", "use", "parameters", "width", "licence", "what it is good for", "read from")]
    for one in KNOWN_MODELS.values():
        if (chosen is None or chosen in one.inputs.split("+")) and use in (None, one.use):
            parameters = f"{one.millions / 1000:.1f} B" if one.millions >= 1000 else f"{one.millions:g} M"
            rows.append((one.name, one.inputs, one.use, parameters, str(one.width), one.licence, one.about, one.spec))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            f"{cell:>{size}}" if place in (3, 4) else f"{cell:{size}}"
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())


def checked_inputs(inputs: str | None) -> str | None:
    """Check the option ``--inputs``."""
    from aft.errors import UsageError, did_you_mean

    if inputs not in (None, "image", "text"):
        raise UsageError(f"inputs= is image or text; received {inputs!r}{did_you_mean(str(inputs), ['image', 'text'])}")
    return inputs
