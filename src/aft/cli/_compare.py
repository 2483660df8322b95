"""``aft compare``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aft.cli import _options as o
from aft.cli._teachers import DryRun, StoresOf, Teachers, needed, print_forecast, with_teachers

if TYPE_CHECKING:
    from aft.results import Comparison


def compare(
    data: o.Data,
    student: Annotated[
        list[str],
        typer.Option(
            metavar="MODEL",
            help="The model to train, named as for aft train; repeatable, for a comparison of several students.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Directory of the comparison, with a run for each method and seed."),
    ] = None,
    features: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="Feature store of a teacher; repeatable.")
    ] = None,
    teacher: Teachers = None,
    stores: StoresOf = None,
    label: o.Label = None,
    missing: o.Missing = None,
    methods: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="finetune, aft, kd, rkd, ft, b-tuning, probe-kd, sp, cka; aft+probe-kd joins two, aft@whiten adds an option.",
        ),
    ] = "finetune,kd,rkd,ft,b-tuning,probe-kd,sp,cka,aft,aft+probe-kd",
    seeds: Annotated[int, typer.Option(help="Number of final trainings of each method.")] = 5,
    options: Annotated[
        str | None,
        typer.Option(metavar="JSON", help='Options of objectives by method, for example {"aft": {"gates": "fixed"}}.'),
    ] = None,
    beta: o.Beta = "auto",
    weighting: o.Weighting = "auto",
    steps: o.Steps = None,
    epochs: o.Epochs = None,
    patience: o.Patience = None,
    lr: o.LearningRate = None,
    weight_decay: o.WeightDecay = None,
    warmup: o.Warmup = 0.05,
    gate_lr: o.GateLr = 1e-2,
    batch_size: o.BatchSize = None,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    id: o.Id = None,  # noqa: A002
    split: o.Split = None,
    group: o.Group = None,
    task: o.Task = "auto",
    order: o.Order = None,
    unlabelled_data: o.UnlabelledData = None,
    unlabelled: o.Unlabelled = "use",
    class_weights: o.ClassWeights = None,
    label_smoothing: o.LabelSmoothing = 0.0,
    split_seed: o.SplitSeed = 0,
    test_fraction: o.TestFraction = 0.2,
    validation_fraction: o.ValidationFraction = 0.2,
    leakage: o.Leakage = "error",
    bad_inputs: o.BadInputs = "error",
    augment: o.Augment = "auto",
    layer: o.Layer = None,
    pooling: o.Pooling = None,
    weights: o.Weights = None,
    prompt: o.Prompt = None,
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    workers: o.Workers = 0,
    logger: o.Logger = "tensorboard",
    processes: Annotated[int | None, typer.Option(help="Trainings side by side; by default one for each core.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of each training.")] = 1,
    dry_run: DryRun = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Compare methods fairly: the same split, budget and limit of trials for all, several seeds.

    An interrupted comparison resumes when the command is run again. Methods and seeds can be added later.
    """
    import aft

    read = partial(
        o.open_data, data, text=text, text_pair=text_pair, image=image, image_root=image_root, label=label, id=id, split=split,
        group=group, missing=missing, unlabelled_data=unlabelled_data, bad_inputs=bad_inputs,
    )  # fmt: skip
    settings = {
        "beta": beta, "weighting": weighting, "steps": steps, "epochs": epochs, "patience": patience, "lr": lr,
        "weight_decay": weight_decay, "warmup": warmup,
        "gate_lr": gate_lr, "batch_size": batch_size, "task": task, "order": o.order(order), "unlabelled": unlabelled,
        "class_weights": o.class_weights(class_weights), "label_smoothing": label_smoothing, "split_seed": split_seed,
        "test_fraction": test_fraction, "validation_fraction": validation_fraction, "leakage": leakage,
        "augment": augment, "layer": layer,
        "pooling": pooling, "weights": weights, "prompt": prompt, "precision": precision, "device": device,
        "workers": workers, "logger": logger,
    }  # fmt: skip
    chosen, names = aft.TrainConfig(**settings), list(o.names(methods))
    if dry_run:
        print_forecast(read, data, student, teacher, chosen, methods=len({"finetune", *names}), seeds=seeds)
        return
    out = needed(out)
    dataset = read()
    found = with_teachers(
        dataset, data, features, teacher, stores, device=device, precision=precision, bad_inputs=bad_inputs
    )
    arguments = {
        "methods": names, "seeds": seeds, "processes": processes, "threads": threads,
        "options": o.parse_json("--options", options), "config": chosen,
    }  # fmt: skip
    if len(student) > 1:
        students = aft.compare_students(dataset, student, found, out=out, **arguments)
        for comparison in students.comparisons.values():
            typer.echo(f"{comparison.result.student.name}\n")
            _print(comparison)
        typer.echo(f"{students}\n\n{students.conclusion}\n")
    else:
        _print(aft.compare(dataset, student[0], found, out=out, **arguments))
    typer.echo(f"{out}   (aft report {out} turns it into a page)")


def _print(comparison: "Comparison") -> None:
    typer.echo(f"{comparison}\n")
    for sentence in comparison.conclusions:
        typer.echo(sentence)
    typer.echo("")
