"""What a training is going to do and to need, from names alone: nothing is downloaded, and no weights are read."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from aft.catalogue import MeasuredStudent, measured_students
from aft.core import cores, format_duration, format_size
from aft.data import CATALOGUE, HUB, Dataset, find_local
from aft.errors import DataError, did_you_mean
from aft.models import ModelFacts, choose_device, model_facts
from aft.runs import TrainConfig
from aft.training._search import TRIALS

#: Multiplications that each parameter takes part in for one input: about the patches of an image, or the tokens of a few sentences.
REUSE = {"image": 200, "text": 40}
#: Share of a large matrix product's speed that a network reaches.
EFFICIENCY = 0.4
#: Passes that a training step is worth: forward, and twice as much backward.
STEP = 3
#: Seconds of a step beside the student's own work, on a CPU: the batch, the objective, the optimiser.
BESIDE = 0.005
#: Students with a table of which an input reads a few rows, so that their size says nothing of their speed.
TABLES = ("aft:static", "aft:ngrams", "aft:cnn", "aft:ngrams+aft:cnn")


@dataclass(frozen=True)
class DataFacts:
    """What is known of a dataset.

    Attributes:
        name: Its name or path.
        about: What it is.
        inputs: What its inputs are, such as ``"image"``.
        training: Number of training samples.
        test: Number of test samples.
    """

    name: str
    about: str
    inputs: str
    training: int
    test: int


def data_facts(name: str, dataset: Dataset | None, config: TrainConfig) -> DataFacts:
    """Collect what is known of a dataset: its own numbers where it is at hand, else those of the catalogue.

    Args:
        name: Its name or path.
        dataset: The dataset, if it is at hand.
        config: The settings, for the share of test samples.

    Returns:
        The facts.

    Raises:
        DataError: It is neither at hand nor in the catalogue.
    """
    if dataset is not None:
        labelled = sum(label is not None for label in dataset.labels or ())
        test = (
            sum(split == "test" for split in dataset.splits)
            if dataset.splits
            else round(config.test_fraction * labelled)
        )
        return DataFacts(name, f"{len(dataset):,} samples", "+".join(dataset.modality), len(dataset) - test, test)
    known = CATALOGUE.get(name)
    if known is None:
        raise DataError(
            f"a dry run needs the data, or a dataset that is known by name; received {name!r}{did_you_mean(name, CATALOGUE)}"
        )
    inputs = "text" if known.kind == "pair" else known.kind
    return DataFacts(name, known.about, inputs, *known.samples)


def at_hand(name: str) -> bool:
    """Whether a dataset can be read without downloading it."""
    return find_local(name) is not None or not (name in CATALOGUE or name.startswith(HUB))


def forecast(
    data: DataFacts, student: str, teachers: Mapping[str, str], config: TrainConfig, *, methods: int = 1, seeds: int = 1
) -> list[str]:
    """Say what a training or a comparison is going to do, and about what it needs.

    Args:
        data: The data.
        student: Name of the student.
        teachers: The models whose features are computed, by the names of their stores.
        config: The settings.
        methods: Number of methods that are compared, fine-tuning included.
        seeds: Number of final trainings of each.

    Returns:
        Lines: the data, the teachers with the size of their features, the student, the shapes in a step, and the times. Times
        are rough: they come from the numbers of parameters and from a matrix product that is timed on this machine, or for
        students of the catalogue, on a CPU, from the speed that was measured for them.

    Raises:
        UsageError: A name is not one of a model.
    """
    facts, own = {name: model_facts(teacher, data.inputs) for name, teacher in teachers.items()}, model_facts(student)
    samples, recipe = data.training, own.recipe
    batch = config.batch_size or recipe.batch_for(samples)
    steps = config.steps or (
        max(1, round(config.epochs * samples / batch)) if config.epochs else recipe.steps_for(samples, batch)
    )
    device = choose_device(config.device)
    rate = EFFICIENCY * _multiplications_per_second(device)
    lines = [f"data      {data.name}: {samples:,} training and {data.test:,} test samples; {data.about}"]
    total = samples + data.test
    for teacher in facts.values():
        size = (
            ""
            if teacher.width is None
            else f"; {total:,} x {teacher.width:,} float16 are {format_size(2 * total * teacher.width)}"
        )
        seconds = _seconds(teacher, data.inputs, total, rate)
        lines.append(
            f"teacher   {teacher}{size}" + (f", about {format_duration(seconds)}" if seconds is not None else "")
        )
    lines.append(f"student   {own}")
    widths = ", ".join(f"{name} ({batch}, {_or_d(teacher.width)})" for name, teacher in facts.items())
    lines.append(
        f"step      {batch} inputs -> student's features ({batch}, {_or_d(own.width)})"
        + (f"; teachers' features: {widths}" if facts else "")
    )
    # A comparison searches the learning rate, too, where beta is given.
    searched = TRIALS if config.beta == "auto" or (methods > 1 and config.lr is None) else 0
    trainings = methods * (searched + seeds)
    measured = _measured(student) if device.type == "cpu" else None
    if measured is None:
        seconds = _seconds(own, data.inputs, STEP * steps * batch * trainings, rate)
    else:  # one thread each, a comparison's side by side
        side_by_side = 1 if methods == 1 else min(cores(), trainings)
        seconds = trainings * steps * (STEP * batch * measured.batch_ms / 1000 + BESIDE) / side_by_side
    final = f"{methods * seeds} final training{'s' if methods * seeds > 1 else ''}"
    trials = f"about {methods * searched} trials and " if searched else ""
    plan = f"{trials}{final} of about {steps:,} steps"
    lines.append(f"plan      {config.method if methods == 1 else f'{methods} methods'}: {plan}" + _about(seconds))
    source = (
        "the number of parameters and a timed matrix product" if measured is None else "the student's measured speed"
    )
    lines.append(f"device    {device}; times are rough, from {source}")
    return lines


def _measured(student: str) -> MeasuredStudent | None:
    """The student as it was measured, or the table that it is a variant of."""
    kind = student.partition(",")[0]
    names = (student, kind) if kind in TABLES else (student,)
    return next((one for one in measured_students() if one.name in names), None)


def _about(seconds: float | None) -> str:
    return f", about {format_duration(seconds)}" if seconds is not None else ""


def _or_d(width: int | None) -> str:
    return "d" if width is None else f"{width}"


def _seconds(model: ModelFacts, inputs: str, samples: float, rate: float) -> float | None:
    """How long so many inputs take, forward."""
    if model.parameters is None:
        return None
    reuse = max(REUSE[part] for part in inputs.split("+"))
    return max(1.0, samples * reuse * model.parameters / rate)


def _multiplications_per_second(device: torch.device, size: int = 1024) -> float:
    """Multiplications (with additions) of a matrix product on a device."""
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    one = torch.randn(size, size, device=device, dtype=dtype)
    best = math.inf
    for _ in range(4):
        start = time.perf_counter()
        float((one @ one)[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - start)
    return size**3 / best
