"""``aft compare``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aft.cli import _options as o


def compare(
    data: o.Data,
    student: o.Student,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the comparison; its runs are kept in it.")],
    features: o.Teachers,
    label: o.Label = None,
    methods: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="finetune, aft, kd, rkd, ft, b-tuning, probe-kd, sp, cka; aft+probe-kd joins two, aft@whiten adds a remedy.",
        ),
    ] = "finetune,kd,rkd,ft,b-tuning,probe-kd,sp,cka,aft,aft+probe-kd",
    seeds: Annotated[int, typer.Option(help="Trainings a method, beside its search.")] = 5,
    beta: o.Beta = "auto",
    strength: o.Weighting = "auto",
    steps: o.Steps = None,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    id: o.Id = None,  # noqa: A002
    split: o.Split = None,
    group: o.Group = None,
    task: o.Task = "auto",
    lr: o.LearningRate = None,
    weight_decay: o.WeightDecay = None,
    batch_size: o.BatchSize = None,
    unlabelled: o.Unlabelled = "use",
    class_weights: o.ClassWeights = None,
    split_seed: o.SplitSeed = 0,
    test_fraction: o.TestFraction = 0.2,
    validation_fraction: o.ValidationFraction = 0.2,
    leakage: o.Leakage = "error",
    processes: Annotated[int | None, typer.Option(help="Trainings side by side; by default one a core.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of each.")] = 1,
    layer: o.Layer = None,
    pooling: o.Pooling = None,
    weights: o.Weights = None,
    prompt: o.Prompt = None,
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    bad_inputs: o.BadInputs = "error",
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Compare methods fairly: one split, budget and number of trials for all, strength by validation, several seeds.

    Interrupted, it goes on where it stopped when run again; methods and seeds can be added later.
    """
    import aft

    dataset = o.open_data(
        data, text=text, text_pair=text_pair, image=image, image_root=image_root, label=label, id=id, split=split,
        group=group, bad_inputs=bad_inputs,
    )  # fmt: skip
    given: dict[str, Any] = {"layer": layer, "pooling": pooling, "weights": weights, "prompt": prompt, "lr": lr, "weight_decay": weight_decay,
             "steps": steps, "batch_size": batch_size, "class_weights": class_weights}  # fmt: skip
    table = aft.compare(
        dataset, student, features, methods=[name.strip() for name in methods.split(",")], seeds=seeds, out=out, beta=beta,
        strength=strength, task=task, unlabelled=unlabelled, split_seed=split_seed, test_fraction=test_fraction,
        validation_fraction=validation_fraction, leakage=leakage, processes=processes, threads=threads, precision=precision,
        device=device, **{name: value for name, value in given.items() if value is not None},
    )  # fmt: skip
    typer.echo(table)
    typer.echo("")
    for sentence in table.words:
        typer.echo(sentence)
    typer.echo(f"\n{table.path}   (aft report {table.path} makes a page of it)")
