"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aft.cli._config import read_config, set_values

# ---- data --------------------------------------------------------------------------------------------------------
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A table (CSV, TSV, JSONL, Parquet) or its address (s3://...), a folder of images with one subfolder per class, or the name of a dataset; see aft data.",
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        help="Column of texts; for a folder of images, the suffix of the files with their texts, such as .txt."
    ),
]
TextPair = Annotated[str | None, typer.Option(help="Column of second texts, for tasks on pairs of texts.")]
Image = Annotated[str | None, typer.Option(help="Column of image paths, or of encoded images.")]
ImageRoot = Annotated[
    Path | None, typer.Option(help="Folder that image paths are relative to; by default the table's folder.")
]
Label = Annotated[str | None, typer.Option(help="Column of labels; samples with an empty cell are unlabelled.")]
Missing = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help="Labels that mean no label, separated by commas; by default NA, NaN, None, null and the like. '' for none.",
    ),
]
Id = Annotated[
    str | None, typer.Option("--id", help="Column of unique ids; by default a hash of the input, or the image's path.")
]
Split = Annotated[str | None, typer.Option(help="Column of splits: train, validation, test.")]
Group = Annotated[str | None, typer.Option(help="Column of groups; a group never spans two splits.")]
BadInputs = Annotated[str, typer.Option(help="Inputs that cannot be read: error, or skip (and count) them.")]
Task = Annotated[str, typer.Option(help="classification, multilabel, regression, ordinal, or auto.")]
Order = Annotated[
    str | None,
    typer.Option(
        help="Classes of an ordinal task from the lowest to the highest, separated by commas.", metavar="CLASS,..."
    ),
]
UnlabelledData = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Further training samples without a label, such as texts from elsewhere: a table with the same columns of inputs, or a folder.",
    ),
]
Unlabelled = Annotated[str, typer.Option(help="Samples without a label: use, skip or error.")]
SplitSeed = Annotated[int, typer.Option(help="Random seed for the train/validation/test split.")]
TestFraction = Annotated[
    float, typer.Option(help="Fraction held out for testing if the data has no splits; 0 for none.")
]
ValidationFraction = Annotated[
    float, typer.Option(help="Fraction of the training samples held out for validation if the data has no such split.")
]
Leakage = Annotated[
    str, typer.Option(help="Test samples that are also in training: error, or drop them from training.")
]

# ---- models and features -----------------------------------------------------------------------------------------
Student = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="timm:NAME, hf:NAME-or-FOLDER, aft:ngrams, aft:static, aft:cnn, aft:transformer, python:module:factory; or parts joined by + or *.",
    ),
]
TrainedStudent = Annotated[
    str | None,
    typer.Option(
        "--student",
        metavar="MODEL",
        help="Only for runs of a python: student: its name. Loading a run never executes code that the run names.",
    ),
]
Features = Annotated[list[str], typer.Option(metavar="DIR", help="Feature store of a teacher; repeatable.")]
Stores = Annotated[
    str,
    typer.Option(
        metavar="DIR", help="Directory of feature stores, or its address in object storage: s3://BUCKET/PREFIX."
    ),
]
Layer = Annotated[str | None, typer.Option(help="Layer to take features from; by default the last one.")]
Pooling = Annotated[str | None, typer.Option(help="How a layer's output becomes one vector: mean, cls, last or max.")]
Weights = Annotated[str | None, typer.Option(help="pretrained, random, or a file.")]
Prompt = Annotated[str | None, typer.Option(help="Text to put before every input text.")]

# ---- training ----------------------------------------------------------------------------------------------------
Beta = Annotated[
    str,
    typer.Option(
        metavar="auto|X",
        help="Weight of the objective; auto searches it, with the learning rate. A number is used as it is.",
    ),
]
Weighting = Annotated[str, typer.Option(help="How beta multiplies the objective: fixed, balanced, or auto.")]
Steps = Annotated[int | None, typer.Option(help="Optimiser steps; by default those of the student's usual epochs.")]
Epochs = Annotated[
    float | None, typer.Option(help="The same in passes over the samples that are learned from, instead of --steps.")
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Stop after so many epochs without a lower validation loss, and keep the best one; validation samples are then never "
        "trained on."
    ),
]
LearningRate = Annotated[float | None, typer.Option(help="Learning rate; searched by default.")]
WeightDecay = Annotated[float | None, typer.Option(help="Weight decay; by default the student's usual one.")]
BatchSize = Annotated[int | None, typer.Option(help="Samples per step; by default it depends on student and data.")]
Warmup = Annotated[float, typer.Option(help="Fraction of the steps over which the learning rate rises.")]
GateLr = Annotated[float, typer.Option(help="Learning rate of the gates.")]
ClassWeights = Annotated[
    str | None,
    typer.Option(metavar="balanced|JSON", help='balanced, or a weight for each class: {"cat": 1, "dog": 3}.'),
]
LabelSmoothing = Annotated[float, typer.Option(help="Fraction of each label that is spread over all classes.")]
Options = Annotated[
    str | None, typer.Option(metavar="JSON", help='Options of the objective, for example {"temperature": 4}.')
]
Augment = Annotated[
    str,
    typer.Option(
        help="What the student sees: views, each with its features; clean, new augmentations with the clean sample's features; none; "
        "auto, which is views if the stores have some, else none."
    ),
]
Workers = Annotated[int, typer.Option(help="Processes that prepare batches; 0 for none.")]
Logger = Annotated[
    str, typer.Option(help="Where losses are logged besides metrics.csv: tensorboard, wandb, mlflow or none.")
]
ObjectiveBatch = Annotated[
    str, typer.Option(help="With several processes: compute the objective over the global batch, or the local share.")
]

# ---- all commands ------------------------------------------------------------------------------------------------
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option(help="fp32, bf16 or fp16.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        is_eager=True,
        callback=read_config,
        help="YAML file of options, as 'aft init' prints one; flags override it.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        is_eager=True,
        callback=set_values,
        metavar="KEY=VALUE",
        help="Set one option, overriding the config file; repeatable.",
    ),
]


def open_data(data: str, *, unlabelled_data: str | None = None, **columns: Any) -> Any:
    """The dataset that the options name."""
    from aft.core import once_per_machine
    from aft.data import open_dataset, open_unlabelled

    def read() -> Any:
        dataset = open_dataset(data, **columns)
        if unlabelled_data is None:
            return dataset
        return dataset.with_unlabelled(open_unlabelled(unlabelled_data, **columns))

    return once_per_machine(read)


def parse_json(option: str, text: str | None) -> Any:
    """The JSON object that an option holds.

    Args:
        option: Name of the option.
        text: Its value; None if it was not given.

    Returns:
        A dictionary, or None.

    Raises:
        UsageError: Not a JSON object.
    """
    import json

    from aft.errors import UsageError

    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{option} is a JSON object; received {text[:80]!r}; write for example '{{\"name\": 1}}'")
    return value


def names(text: str) -> tuple[str, ...]:
    """Names that are separated by commas."""
    return tuple(name.strip() for name in text.split(","))


def order(text: str | None) -> tuple[str, ...] | None:
    """The value of ``--order``."""
    return names(text) if text else None


def class_weights(text: str | None) -> Any:
    """The value of ``--class-weights``."""
    return text if text in (None, "balanced") else parse_json("--class-weights", text)
