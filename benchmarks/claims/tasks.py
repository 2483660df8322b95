"""Tasks, students and budgets of the claims. They were committed before any of their test results was seen."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import features
from aft.comparison import Study
from aft.core import cache_dir
from aft.data import Dataset
from aft.demo import minilm_folder, movie_sentences
from aft.features import FeatureStore
from aft.training import Problem, SearchSpace, TrainConfig

#: Random seed of all splits.
SPLIT_SEED = 2406_07337


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        source: Where its samples come from; see features.py.
        label: Column of the label; None if the folder of a picture is its label.
        labelled: Number of labelled training samples.
        test: Number of test samples.
        per_class: Whether each class has the same number of labelled samples.
        teacher: The teacher in most claims.
        validation: Fraction of the labelled samples in the validation split.
    """

    source: str
    label: str | None
    labelled: int
    test: int
    per_class: bool = False
    teacher: str = "lite2"
    validation: float = 0.2


TASKS = {
    "polarity": Task("movie", "polarity", 1000, 1000, teacher="mpnet"),
    "rating": Task("movie", "rating", 1000, 1000, teacher="mpnet"),
    "emoji-google": Task("emoji-google", None, 1200, 600),
    "emoji-twitter": Task("emoji-twitter", None, 1200, 600),
    # With ten labels per class, the usual fraction would leave two per class for validation, too few to choose by.
    "digits": Task("digits", None, 100, 1000, per_class=True, validation=0.5),
}


@dataclass(frozen=True)
class Student:
    """A student with its budget.

    Attributes:
        name: Its name in the results.
        spec: The name of its model.
        budget: The most steps that a training may take.
        batch_size: Samples per step.
        lr: Learning rate that the search starts from.
        weight_decay: Weight decay that the search starts from.
    """

    name: str
    spec: str
    budget: int
    batch_size: int
    lr: float
    weight_decay: float = 0.01


def text_students() -> list[Student]:
    """A transformer with random weights, the first two layers of MiniLM, and a table of token vectors."""
    return [
        Student("transformer", "aft:transformer,width=64,max_length=32,vocabulary=4000", 200, 32, 1e-3),
        Student("minilm2", f"hf:{minilm_folder()},keep_layers=2,max_length=32,vocabulary=8000", 60, 16, 2e-4),
        Student("static", "aft:static,max_length=64", 400, 64, 4e-3),
    ]


def image_students() -> list[Student]:
    """A small ResNet and a small ViT."""
    return [
        Student("resnet", "python:students:small_resnet", 120, 32, 3e-3, 0.05),
        Student("vit", "python:students:small_vit", 120, 32, 1e-3, 0.05),
    ]


def students(task: str) -> list[Student]:
    """Return the students that accept the samples of a task."""
    return text_students() if TASKS[task].source == "movie" else image_students()


def student(task: str, name: str) -> Student:
    """Return a student of a task by its name."""
    return next(one for one in students(task) if one.name == name)


@dataclass(frozen=True)
class Variation:
    """How a claim varies a task.

    Attributes:
        labelled: Number of labelled training samples; None for the task's default.
        unlabelled: Whether all other training samples are used as unlabelled samples.
    """

    labelled: int | None = None
    unlabelled: bool = False


def load(task: str, variation: Variation = Variation()) -> Dataset:
    """Load the samples, labels and splits of a task.

    Args:
        task: The name of the task.
        variation: How to vary it.

    Returns:
        The dataset. Its ids are those of the stores.
    """
    chosen = TASKS[task]
    rows = movie_rows(chosen) if chosen.source == "movie" else _picture_rows(chosen)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(rows)).tolist()
    test, remaining = order[: chosen.test], order[chosen.test :]
    count = chosen.labelled if variation.labelled is None else variation.labelled
    labelled = _per_class(rows, remaining, count) if chosen.per_class else remaining[:count]
    unlabelled = sorted(set(remaining) - set(labelled)) if variation.unlabelled else []
    name = f"{task}-{count}{'-unlabelled' if unlabelled else ''}.csv"
    table = cache_dir() / "claims" / "tables" / name
    column = "sentence" if chosen.source == "movie" else "path"
    if not table.exists():
        table.parent.mkdir(parents=True, exist_ok=True)
        temporary = table.with_suffix(f".{np.random.default_rng().integers(1 << 30)}")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("id", column, "label", "split"))
            for split, members in (("train", labelled), ("train", unlabelled), ("test", test)):
                for index in members:
                    sample, value, label = rows[index]
                    writer.writerow((sample, value, "" if members is unlabelled else label, split))
        temporary.replace(table)
    columns: dict[str, Any] = {"id": "id", "label": "label", "split": "split"}
    if chosen.source == "movie":
        return Dataset.from_table(table, text=column, **columns)
    return Dataset.from_table(table, image=column, image_root=features.pictures(chosen.source), **columns)


def movie_rows(task: Task) -> list[tuple[str, str, str]]:
    """Return id, sentence and label of every movie sentence that has a label."""
    with movie_sentences().open(encoding="utf-8", newline="") as file:
        return [
            (row["id"], row["sentence"], row[task.label or ""]) for row in csv.DictReader(file) if row[task.label or ""]
        ]


def _picture_rows(task: Task) -> list[tuple[str, str, str]]:
    folder = features.pictures(task.source)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.png"))
    return [(path, path, path.partition("/")[0]) for path in paths]


def _per_class(rows: Sequence[tuple[str, str, str]], order: Sequence[int], count: int) -> list[int]:
    classes = sorted({label for _, _, label in rows})
    each = count // len(classes)
    return [index for name in classes for index in [i for i in order if rows[i][2] == name][:each]]


def make_study(
    task: str,
    student: Student,
    methods: Sequence[str],
    *,
    teachers: Sequence[str] = (),
    seeds: int = 3,
    variation: Variation = Variation(),
    options: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
) -> Study:
    """Plan the trainings of a task with a student.

    Args:
        task: The name of the task.
        student: The student.
        methods: Names of methods. Fine-tuning is always added.
        teachers: Names of stores; by default the task's teacher.
        seeds: Number of final trainings per method.
        variation: How to vary the task.
        options: Options of objectives, by method.
        settings: Fields of the `TrainConfig`.

    Returns:
        The study.
    """
    chosen = TASKS[task]
    names = tuple(teachers) or (chosen.teacher,)
    folders = tuple(str(features.folder(chosen.source) / name) for name in names)
    # Vendors draw some emoji alike: those in the test split must not be trained on.
    drop: Any = {"leakage": "drop"} if chosen.source.startswith("emoji") else {}
    changed = [] if variation.labelled is None else [str(variation.labelled)]
    changed += ["unlabelled"] if variation.unlabelled else []
    config = TrainConfig(
        batch_size=student.batch_size, validation_fraction=chosen.validation, **drop, **(settings or {})
    )
    return Study(
        "/".join([task, student.name, "+".join(names), *changed]),
        partial(_build, task, variation, student.spec, folders, config),
        tuple(methods), seeds, SearchSpace(student.lr, student.weight_decay, student.budget // 2, student.budget // 2),
        options or {},
    )  # fmt: skip


def _build(task: str, variation: Variation, student: str, folders: Sequence[str], config: TrainConfig) -> Problem:
    stores = [FeatureStore.open(folder) for folder in folders]
    return Problem.build(load(task, variation), student, stores, config)
