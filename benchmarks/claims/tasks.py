"""Tasks, students and variations of the claims. They were committed before any of their test results was seen.

With one exception: the first rates and betas of MobileNetV2 and the ResNet had been given without a search, and were replaced by what
held-out training pictures chose (docs/log.md, 2026-11-30).
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

import features
from aft.comparison import Study
from aft.data import Dataset
from aft.demo import minilm_folder, movie_sentences
from aft.runs import TrainSettings
from aft.training import Problem, TrainConfig

#: Random seed of all splits.
SPLIT_SEED = 2406_07337


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        source: Where its samples come from; see features.py.
        label: For movie sentences the column of the label.
        test: For movie sentences the number of test samples. Other sources have splits of their own.
    """

    source: str
    label: str = ""
    test: int = 1000

    @property
    def modality(self) -> Literal["text", "image"]:
        """What its samples are."""
        return "image" if self.source in features.IMAGES else "text"

    @property
    def teacher(self) -> str:
        """The teacher in most claims."""
        return "lite2" if self.modality == "image" else "mpnet"


TASKS = {
    "polarity": Task("movie", "polarity"),
    "rating": Task("movie", "rating"),
    **{source: Task(source) for source in features.SOURCES if source != "movie"},
}


@dataclass(frozen=True)
class Student:
    """A student: its name in the results, that of its model, and the settings that it is always trained with.

    Texts are not augmented, which is the default too: it is named because the journal finds their trainings by it. Students of
    images have a learning rate, a beta and steps of their own: their search would take ten hours of two cores. Layers of MiniLM train in
    bf16, to save time on processors that have its arithmetic.
    """

    name: str
    spec: str
    settings: TrainSettings = field(default_factory=lambda: TrainSettings(augment="none"))


def students() -> dict[str, Student]:
    """Return the students by name, the fastest of each modality first."""
    found = (
        Student("ngrams", "aft:ngrams"),
        Student("transformer", "aft:transformer,width=64,max_length=64,vocabulary=4000"),
        Student(
            "minilm2",
            f"hf:{minilm_folder()},keep_layers=2,max_length=64,vocabulary=8000",
            TrainSettings(augment="none", precision="bf16"),
        ),
        Student(
            "mobilenet",
            "python:aft.demo:mobilenetv2_64",
            TrainSettings(lr=1e-3, beta=3.0, weighting="balanced", steps=300),
        ),
        # For images_on_a_gpu.py, where everything is searched.
        Student("mobilenet96", "python:aft.demo:mobilenetv2_96", TrainSettings()),
        Student(
            "resnet",
            "timm:resnet10t,image_size=32,weights=random",
            TrainSettings(lr=3e-3, beta=1.0, weighting="balanced", steps=600, augment="clean"),
        ),
    )
    return {student.name: student for student in found}


@dataclass(frozen=True)
class Variation:
    """How a claim varies a task.

    Attributes:
        labelled: Number of labelled training samples, or their share if it is below 1; None for all.
        unlabelled: Whether all other training samples are used as unlabelled samples.
    """

    labelled: float | None = None
    unlabelled: bool = False

    def __str__(self) -> str:
        if self.labelled is None:
            return ""
        count = f"{100 * self.labelled:g}%" if self.labelled < 1 else f"{self.labelled:g}"
        return f"{count}/unlabelled" if self.unlabelled else count


#: A tenth of the labels, and the other samples without.
TENTH = Variation(0.1, unlabelled=True)


def load(task: str, variation: Variation = Variation()) -> Dataset:
    """Load the samples, labels and splits of a task.

    Args:
        task: The name of the task.
        variation: How to vary it.

    Returns:
        The dataset. Its ids are those of the stores.
    """
    whole = _movie(TASKS[task]) if TASKS[task].source == "movie" else features.samples(TASKS[task].source)
    assert whole.splits is not None
    assert whole.labels is not None
    if variation.labelled is None:
        return whole
    train = [place for place, split in enumerate(whole.splits) if split == "train"]
    if TASKS[task].source != "movie":  # those are in a random order already
        train = np.random.default_rng(SPLIT_SEED).permutation(train).tolist()
    count = round(variation.labelled * len(train)) if variation.labelled < 1 else int(variation.labelled)
    train = _with_every_class(train, whole.labels, count)
    hidden = set(train[count:])
    kept = [place for place in range(len(whole)) if variation.unlabelled or place not in hidden]
    chosen = whole.subset(kept)
    labels = [None if place in hidden else whole.labels[place] for place in kept]
    return Dataset(chosen.ids, chosen.inputs, labels=labels, splits=chosen.splits, source=chosen.source)


def _with_every_class(train: list[int], labels: Sequence[Any], count: int) -> list[int]:
    """Training samples in an order whose first ones have each class twice: one alone may be dropped, as it is in the test split too."""
    by_class: dict[Any, list[int]] = {}
    for place in train:
        by_class.setdefault(labels[place], []).append(place)
    if any(isinstance(label, float) for label in by_class):  # a regression
        return train
    found = Counter(labels[place] for place in train[:count])
    first = [place for label, places in by_class.items() if found[label] < 2 for place in places[:2]]
    return first + [place for place in train if place not in first]


def _movie(task: Task) -> Dataset:
    """The movie sentences that have a label, in a random order: test samples, then training samples."""
    rows = movie_rows(task)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(rows)).tolist()
    chosen = [rows[place] for place in order]
    splits = ["test"] * task.test + ["train"] * (len(rows) - task.test)
    texts, labels = [text for _, text, _ in chosen], [label for _, _, label in chosen]
    values = [float(label) for label in labels] if task.label == "rating" else labels
    return Dataset.from_arrays(texts, values, ids=[name for name, _, _ in chosen], splits=splits)


def movie_rows(task: Task) -> list[tuple[str, str, str]]:
    """Return id, sentence and label of every movie sentence that has a label."""
    with movie_sentences().open(encoding="utf-8", newline="") as file:
        return [(row["id"], row["sentence"], row[task.label]) for row in csv.DictReader(file) if row[task.label]]


def make_study(
    task: str,
    student: str,
    methods: Sequence[str],
    *,
    teachers: Sequence[str] = (),
    seeds: int = 3,
    variation: Variation = Variation(),
) -> Study:
    """Plan the trainings of a task with a student.

    Args:
        task: The name of the task.
        student: The name of the student.
        methods: Names of methods. Fine-tuning is always added.
        teachers: Names of stores; by default the task's teacher.
        seeds: Number of final trainings per method.
        variation: How to vary the task.

    Returns:
        The study.
    """
    chosen = students()[student]
    names = tuple(teachers) or (TASKS[task].teacher,)
    # Published sets have a few samples in both splits, which must not be trained on.
    config = TrainConfig(leakage="drop", **chosen.settings)
    return Study(
        "/".join(part for part in (task, student, "+".join(names), str(variation)) if part),
        partial(_build, task, variation, chosen.spec, names, config),
        tuple(methods), seeds,
    )  # fmt: skip


def _build(task: str, variation: Variation, student: str, teachers: Sequence[str], config: TrainConfig) -> Problem:
    stores = features.stores(TASKS[task].source, *teachers)
    return Problem.build(load(task, variation), student, stores, config)
