"""``aft merge``."""

from typing import Annotated

import typer

from aft.cli import _options as o


def merge(
    stores: Annotated[
        list[str], typer.Argument(metavar="DIR", help="Feature stores of one model, over parts of a dataset.")
    ],
    out: o.Stores,
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Merge feature stores of one model that were extracted over parts of a dataset."""
    from aft.features import merge

    typer.echo(merge(stores, out=out, overwrite=overwrite).location)
