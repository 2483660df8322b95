"""``aft train``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aft.cli import _options as o


def train(
    data: o.Data,
    student: o.Student,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run folder.")],
    label: o.Label = None,
    features: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="A teacher's feature store; may be repeated.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="aft, kd, rkd, ft, b-tuning, probe-kd, sp, cka, finetune; aft+probe-kd joins two."),
    ] = None,
    beta: o.Beta = "auto",
    strength: o.Weighting = "auto",
    steps: o.Steps = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and batches.")] = 0,
    split_seed: o.SplitSeed = 0,
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
    label_smoothing: Annotated[float, typer.Option(help="Share of each label spread over all classes.")] = 0.0,
    test_fraction: o.TestFraction = 0.2,
    validation_fraction: o.ValidationFraction = 0.2,
    leakage: o.Leakage = "error",
    layer: o.Layer = None,
    pooling: o.Pooling = None,
    weights: o.Weights = None,
    prompt: o.Prompt = None,
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    workers: Annotated[int, typer.Option(help="Processes that prepare batches.")] = 0,
    objective_batch: Annotated[
        str, typer.Option(help="What the objective sees under torchrun: the global batch, or the local share.")
    ] = "global",
    bad_inputs: o.BadInputs = "error",
    overwrite: o.Overwrite = False,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Train a small model with teachers' features, into a run folder.

    Interrupted, it goes on where it stopped when run again.
    """
    import aft
    from aft.core import rank

    dataset = o.open_data(
        data, text=text, text_pair=text_pair, image=image, image_root=image_root, label=label, id=id, split=split,
        group=group, bad_inputs=bad_inputs,
    )  # fmt: skip
    given: dict[str, Any] = {"method": method} if method else {}
    run = aft.train(
        dataset, student, features or [], out=out, overwrite=overwrite, **given, beta=beta, strength=strength, steps=steps,
        seed=seed, split_seed=split_seed, task=task, lr=lr, weight_decay=weight_decay, batch_size=batch_size,
        unlabelled=unlabelled, class_weights=class_weights, label_smoothing=label_smoothing, test_fraction=test_fraction,
        validation_fraction=validation_fraction, leakage=leakage, layer=layer, pooling=pooling, weights=weights,
        prompt=prompt, precision=precision, device=device, workers=workers,
        objective_batch=objective_batch,
    )  # fmt: skip
    if rank() > 0:
        return
    test = run.result["test"]
    if test is not None:
        typer.echo(f"{test['error_name']} {test['error']:.4f} on {test['samples']} test samples")
    typer.echo(run.path)
