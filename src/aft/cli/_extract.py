"""``aft extract``."""

from typing import Annotated, Any

import typer

from aft.cli import _options as o
from aft.cli._teachers import named_teachers


def extract(
    data: o.Data,
    teacher: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]MODEL",
            help="A name that aft models lists, timm:NAME, hf:NAME-or-FOLDER, st:NAME-or-FOLDER, open_clip:NAME-or-FOLDER, python:module:factory; repeatable.",
        ),
    ],
    out: o.Stores,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    id: o.Id = None,  # noqa: A002
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate time and disk space, and write nothing.")
    ] = False,
    views: Annotated[
        int,
        typer.Option(
            help="Features of so many views of each sample: itself, and random augmentations of it. Time and disk space grow with it."
        ),
    ] = 1,
    view_seed: Annotated[int, typer.Option(help="Random seed of the augmentations.")] = 0,
    layer: o.Layer = None,
    pooling: o.Pooling = None,
    weights: o.Weights = None,
    prompt: o.Prompt = None,
    batch_size: Annotated[int, typer.Option(help="Samples in a forward pass.")] = 32,
    shard_rows: Annotated[
        int | None, typer.Option(help="Samples in a shard, which is what an interruption can cost.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Type of the features on disk: float16 or float32.")] = "float16",
    processes: Annotated[
        int | None, typer.Option(help="Number of processes. Ranks of torchrun share the work automatically.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for the actors of the cluster at RAY_ADDRESS.")] = "local",
    threads: Annotated[
        int | None, typer.Option(help="Threads of each process; by default the cores are divided among them.")
    ] = None,
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    unlabelled_data: o.UnlabelledData = None,
    bad_inputs: o.BadInputs = "error",
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Compute the teachers' features of a dataset, once. Labels are not needed.

    An interrupted extraction resumes when the command is run again, and computes only what is missing.
    """
    from aft.core import rank
    from aft.extraction import estimate, extract_all

    dataset = o.open_data(
        data, text=text, text_pair=text_pair, image=image, image_root=image_root, id=id, unlabelled_data=unlabelled_data,
        bad_inputs=bad_inputs,
    )  # fmt: skip
    options: dict[str, Any] = {
        "layer": layer, "pooling": pooling, "weights": weights, "prompt": prompt, "device": device, "precision": precision,
        "dtype": dtype, "batch_size": batch_size, "bad_inputs": bad_inputs, "views": views, "view_seed": view_seed,
    }  # fmt: skip
    teachers = named_teachers(teacher)
    if dry_run:
        for name, model in teachers.items():
            typer.echo(f"{name}: {estimate(dataset, model, name=name, out=out, **options)}")
        return
    stores = extract_all(
        dataset, teachers, out=out, shard_rows=shard_rows, overwrite=overwrite, processes=processes, threads=threads,
        engine=engine, **options,  # type: ignore[arg-type]
    )  # fmt: skip
    for store in stores if rank() == 0 else ():
        typer.echo(store.location)
