"""``aft data``."""

import typer


def data() -> None:
    """List the datasets that are known by name: aft train NAME."""
    from aft.data import CATALOGUE, find_local

    rows = [("name", "inputs", "training", "test", "what it is", "read from")]
    for one in CATALOGUE.values():
        training, test = (f"{count:,}" for count in one.samples)
        rows.append(
            (one.name, one.kind, training, test, one.about, str(find_local(one.name) or f"hf:{one.repository}"))
        )
    for name, kind, training, test, about, place in rows:
        typer.echo(f"{name:11} {kind:7} {training:>8} {test:>7}  {about:42} {place}")
