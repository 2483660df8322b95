"""``aft students``."""

from typing import Annotated

import typer

from aft.cli._models import Inputs, checked_inputs


def students(
    budget: Annotated[
        str | None,
        typer.Option(
            help="What one prediction may cost: a time such as 5ms, parameters such as 2M, or a size such as 10MB."
        ),
    ] = None,
    inputs: Inputs = None,
) -> None:
    """List students with parameters, size and latency; with --budget, those that it allows, the largest first."""
    from aft.catalogue import measured_students, within_budget
    from aft.core import format_size

    chosen = checked_inputs(inputs)
    listed = [one for one in measured_students() if chosen in (None, one.inputs)]
    if budget is not None:
        listed = list(within_budget(listed, budget))
    width = max((len(one.name) for one in listed), default=4)
    if listed:
        typer.echo(f"{'name':{width}}  inputs  parameters      size     alone  in batches  when to choose it")
    for one in listed:
        parameters = f"{one.parameters / 1e6:.2g} M" if one.parameters < 10e6 else f"{one.parameters / 1e6:.0f} M"
        typer.echo(
            f"{one.name:{width}}  {one.inputs:6}  {parameters:>10}  {format_size(one.bytes):>8}  {_shown(one.latency_ms):>5} ms  "
            f"{_shown(one.batch_ms):>7} ms  {one.about}"
        )
    if not listed:
        typer.echo(f"no measured student is within {budget}: aft students lists all")
    typer.echo(
        "\nMilliseconds for one input, by itself and in batches, from the raw text or image to the prediction, on one thread of a CPU "
        "in fp32. aft compare --student A --student B measures students on your task."
    )


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.2g}"
