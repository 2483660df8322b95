"""Options that several commands share, each said once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aft.cli._configfile import read_config, set_value

Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="A table (CSV, TSV, JSONL, Parquet) or a folder of images, a folder a class."),
]
Text = Annotated[str | None, typer.Option(help="Column of texts.", rich_help_panel="Data")]
TextPair = Annotated[str | None, typer.Option(help="Column of second texts, for tasks on pairs.")]
Image = Annotated[str | None, typer.Option(help="Column of image paths.")]
ImageRoot = Annotated[
    Path | None, typer.Option(help="Folder that image paths are relative to; by default the table's.")
]
Label = Annotated[str | None, typer.Option(help="Column of labels; an empty cell is a sample without one.")]
Id = Annotated[
    str | None, typer.Option("--id", help="Column of unique ids; by default a hash of the text, or the image's path.")
]
Split = Annotated[str | None, typer.Option(help="Column of train, validation, test.")]
Group = Annotated[str | None, typer.Option(help="Column of groups that no split may cut through.")]
BadInputs = Annotated[str, typer.Option(help="Inputs that cannot be read: error, or skip and count them.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
Precision = Annotated[str, typer.Option(help="fp32, bf16 or fp16.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Layer = Annotated[str | None, typer.Option(help="Layer to take features from; by default the model's last.")]
Pooling = Annotated[str | None, typer.Option(help="mean, cls, last, max: how one vector is made of tokens or space.")]
Weights = Annotated[str | None, typer.Option(help="pretrained, random, or a file.")]
Prompt = Annotated[str | None, typer.Option(help="Put before every text, where the model wants that.")]
Student = Annotated[
    str,
    typer.Option(
        metavar="MODEL", help="timm:NAME, hf:NAME-or-FOLDER, aft:static, aft:transformer, python:module:factory."
    ),
]
Code = Annotated[
    str | None,
    typer.Option(
        "--student", metavar="MODEL", help="For a run of a python: student, its name: runs run no code unasked."
    ),
]
Stores = Annotated[
    str,
    typer.Option(metavar="DIR", help="Folder of feature stores, a folder each, or its address: s3://BUCKET/FOLDER."),
]
Teachers = Annotated[list[str], typer.Option(metavar="DIR", help="A teacher's feature store; may be repeated.")]
Task = Annotated[str, typer.Option(help="classification, multilabel, regression, or auto.")]
Beta = Annotated[
    str, typer.Option(metavar="auto|X", help="Weighting; auto chooses it, and the steps, on validation data.")
]
Weighting = Annotated[str, typer.Option(help="Form of the strength: raw, balanced, or auto.")]
Steps = Annotated[int | None, typer.Option(help="Optimiser steps; by default chosen, or by student and data.")]
LearningRate = Annotated[
    float | None, typer.Option(help="Learning rate; by default by student, or chosen in a comparison.")
]
WeightDecay = Annotated[
    float | None, typer.Option(help="Weight decay; by default by student, or chosen in a comparison.")
]
BatchSize = Annotated[int | None, typer.Option(help="Samples a step; by default by student and data.")]
Unlabelled = Annotated[str, typer.Option(help="Samples without a label: use, skip or error.")]
ClassWeights = Annotated[str | None, typer.Option(help="balanced: weigh classes against their frequency.")]
SplitSeed = Annotated[int, typer.Option(help="Of the parts that are held out.")]
TestFraction = Annotated[float, typer.Option(help="Share held out where the data gives no split; 0 for none.")]
ValidationFraction = Annotated[float, typer.Option(help="Share of the training samples to choose on.")]
Leakage = Annotated[str, typer.Option(help="Samples on both sides of a split: error, or drop them from training.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        is_eager=True,
        callback=read_config,
        help="YAML file of options, as 'aft init' writes it; flags win.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        is_eager=True,
        callback=set_value,
        metavar="KEY=VALUE",
        help="One option, over the file's; may be repeated.",
    ),
]


def open_data(data: Path, **columns: Any) -> Any:
    """The dataset that the options name."""
    from aft.data import open_dataset

    return open_dataset(data, **columns)
