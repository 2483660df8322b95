"""``aft train``."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o
from aft.cli._teachers import DryRun, StoresOf, Teachers, needed, print_forecast, with_teachers


def train(
    data: o.Data,
    student: o.Student,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The run directory.")] = None,
    label: o.Label = None,
    missing: o.Missing = None,
    features: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="Feature store of a teacher; repeatable.")
    ] = None,
    teacher: Teachers = None,
    stores: StoresOf = None,
    method: Annotated[
        str | None,
        typer.Option(help="aft, kd, rkd, ft, b-tuning, probe-kd, sp, cka, finetune; aft+probe-kd joins two."),
    ] = None,
    beta: o.Beta = "auto",
    weighting: o.Weighting = "auto",
    options: o.Options = None,
    steps: o.Steps = None,
    epochs: o.Epochs = None,
    patience: o.Patience = None,
    lr: o.LearningRate = None,
    weight_decay: o.WeightDecay = None,
    warmup: o.Warmup = 0.05,
    gate_lr: o.GateLr = 1e-2,
    batch_size: o.BatchSize = None,
    seed: Annotated[int, typer.Option(help="Random seed for initial weights and the order of batches.")] = 0,
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
    objective_batch: o.ObjectiveBatch = "global",
    dry_run: DryRun = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print where the time of a step goes.")] = False,
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Train a small model with the teachers' features, into a run directory.

    Features come from --features, or are computed for each --teacher. An interrupted training resumes when the command is run again.
    """
    import aft
    from aft.core import rank

    read = partial(
        o.open_data, data, text=text, text_pair=text_pair, image=image, image_root=image_root, label=label, id=id, split=split,
        group=group, missing=missing, unlabelled_data=unlabelled_data, bad_inputs=bad_inputs,
    )  # fmt: skip
    settings = {
        **({"method": method} if method else {}), "beta": beta, "weighting": weighting,
        "options": o.parse_json("--options", options) or {},
        "steps": steps, "epochs": epochs, "patience": patience, "lr": lr, "weight_decay": weight_decay,
        "warmup": warmup, "gate_lr": gate_lr, "batch_size": batch_size, "seed": seed, "task": task, "order": o.order(order),
        "unlabelled": unlabelled, "class_weights": o.class_weights(class_weights), "label_smoothing": label_smoothing,
        "split_seed": split_seed, "test_fraction": test_fraction, "validation_fraction": validation_fraction,
        "leakage": leakage, "augment": augment, "layer": layer, "pooling": pooling, "weights": weights, "prompt": prompt,
        "precision": precision, "device": device, "workers": workers, "logger": logger,
        "objective_batch": objective_batch,
    }  # fmt: skip
    chosen = aft.TrainConfig(**settings)
    if dry_run:
        print_forecast(read, data, [student], teacher, chosen)
        return
    out = needed(out)
    dataset = read()
    found = with_teachers(
        dataset, data, features, teacher, stores, device=device, precision=precision, bad_inputs=bad_inputs
    )
    run = aft.train(dataset, student, found, out=out, overwrite=overwrite, config=chosen, profile=profile)
    if rank() > 0:
        return
    test = run.result.test
    if test is not None:
        typer.echo(f"{test.error_name} {test.error:.4f} on {test.samples} test samples")
    typer.echo(run.path)
