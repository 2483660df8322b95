"""``aft merge``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o


def merge(
    stores: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Feature stores of one model, over parts of a dataset.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of feature stores; the result is called as its parts are.")
    ],
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Put feature stores of one model together, from several runs or machines."""
    from aft.features import merge

    typer.echo(merge(stores, out=out, overwrite=overwrite).path)
