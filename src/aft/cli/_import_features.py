"""``aft import-features``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o


def import_features(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .npy array, a row a sample.")],
    ids: Annotated[Path, typer.Option(metavar="FILE", help="Text file of ids, one a line, in the order of the rows.")],
    name: Annotated[str, typer.Option(help="What to call the teacher.")],
    out: Annotated[Path, typer.Option(help="Folder of feature stores.")],
    dtype: Annotated[str, typer.Option(help="float16 or float32, on disk.")] = "float32",
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Make a feature store of features that another tool computed."""
    import aft

    typer.echo(aft.import_features(file, ids=ids, name=name, out=out, dtype=dtype, overwrite=overwrite).path)  # type: ignore[arg-type]
