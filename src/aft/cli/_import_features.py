"""``aft import-features``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o


def import_features(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Vectors: a .npy array, a .parquet table, or .jsonl lines.")
    ],
    name: Annotated[str, typer.Option(help="Name of the teacher.")],
    out: o.Stores,
    ids: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For an array: text file with the id of each row, one per line."),
    ] = None,
    id: Annotated[str, typer.Option("--id", help="Column or field of ids, in a table or JSON lines.")] = "id",  # noqa: A002
    vector: Annotated[
        str | None,
        typer.Option(
            help="Column or field of vectors; by default the only one. Dots lead into nested fields: data.0.embedding."
        ),
    ] = None,
    dtype: Annotated[str, typer.Option(help="Type of the features on disk: float16 or float32.")] = "float32",
    reads: Annotated[
        str | None, typer.Option(help="The part that was read, where samples are images with texts: image or text.")
    ] = None,
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Import vectors that another tool computed as a feature store."""
    import aft

    store = aft.import_features(
        file, ids=ids, name=name, out=out, id=id, vector=vector, dtype=dtype, reads=reads, overwrite=overwrite,  # type: ignore[arg-type]
    )  # fmt: skip
    typer.echo(store.location)
