"""What should training show the student: each sample itself, new augmentations, or views with features of their own?

Fine-tuning, AFT and probe-kd with ``augment`` none, clean and views, short and long trainings, a tenth of the labels and the other
samples unlabelled. Only training splits are used: a thousand samples of each (or a fifth) are held out, and errors are on these.
Features and finished trainings are kept, and an interrupted run resumes; the options choose a part of all trainings. CIFAR-10 and Caltech-101 are read from the folder that ``AFT_DATA`` names;
without it, only the pictures that the package registries carry are used. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aft
from aft.comparison import probe_losses
from aft.core import append_jsonl, cache_dir, read_jsonl
from aft.data import Dataset
from aft.demo import digit_pictures, emoji_pictures
from aft.evaluation import error_of, measure
from aft.models import forward_all
from aft.probing import fit_linear_probe
from aft.training import HParams, Problem, TrainConfig, fit

ROWS = Path(__file__).parent / "results" / "views.jsonl"
TEACHER, VIEWS, LABELLED = "python:aft.demo:lite2", 6, 0.1
METHODS, AUGMENTS = ("finetune", "aft", "probe-kd"), ("none", "clean", "views")
SMALL, PRETRAINED = "timm:resnet10t,image_size=32,weights=random", "python:aft.demo:mobilenetv2_64"


@dataclass(frozen=True)
class Task:
    """A task: its student, the number of its samples, how fast the student learns, and how long."""

    student: str
    samples: int
    lr: float
    steps: tuple[int, int]


TASKS = {
    "caltech101": Task(PRETRAINED, 5784, 1e-3, (400, 1600)),
    "cifar10": Task(PRETRAINED, 3500, 1e-3, (400, 1600)),
    "emoji": Task(SMALL, 2500, 2e-3, (1000, 4000)),
    "digits": Task(SMALL, 2500, 2e-3, (1000, 4000)),
}


def load(name: str) -> Dataset:
    """The samples of a task, a tenth of the training samples with a label, a thousand or a fifth for testing."""
    if name in ("emoji", "digits"):
        source = Dataset.from_folder(emoji_pictures() if name == "emoji" else digit_pictures())
    else:
        source = Dataset.from_table(Path(os.environ["AFT_DATA"]) / name / "train.parquet", image="image", label="label")
    order = np.random.default_rng(20261125).permutation(len(source))[: TASKS[name].samples]
    chosen = source.subset(order)
    test = min(1000, len(chosen) // 5)
    labels, splits = list(chosen.labels or []), ["test"] * test + ["train"] * (len(chosen) - test)
    known = _spread(labels[test:], round(LABELLED * (len(chosen) - test)))
    labels[test:] = [label if number in known else None for number, label in enumerate(labels[test:])]
    return Dataset(chosen.ids, chosen.inputs, labels=labels, splits=splits)


def _spread(labels: list[Any], count: int) -> set[int]:
    """Places of so many samples: of each class in turn, so that none is without a label."""
    turns: dict[Any, int] = {}
    ranked = []
    for place, label in enumerate(labels):
        turns[label] = turns.get(label, 0) + 1
        ranked.append((turns[label], place))
    return {place for _, place in sorted(ranked)[:count]}


def main() -> None:
    """Run what is missing, and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [name for name in TASKS if name in ("emoji", "digits") or "AFT_DATA" in os.environ]
    parser.add_argument("tasks", nargs="*", default=names)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--augments", nargs="+", default=AUGMENTS)
    parser.add_argument("--lengths", nargs="+", type=int, default=(0, 1), help="0: short trainings, 1: long ones")
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    rows = {_key(row): row for row in read_jsonl(ROWS)}
    for name in chosen.tasks:
        for augment in chosen.augments:
            wanted = [
                {"task": name, "augment": augment, "seed": seed, "steps": TASKS[name].steps[length], "method": method}
                for seed in range(chosen.seeds)
                for length in chosen.lengths
                for method in chosen.methods
            ]
            missing = [one for one in wanted if _key(one) not in rows]
            rows |= {_key(row): row for row in (_run(missing) if missing else ())}
    errors: dict[str, dict[str, list[float]]] = {}
    for row in rows.values():
        label = f"{row['method']}, {row['augment']}, {row['steps']} steps"
        errors.setdefault(row["task"], {}).setdefault(label, []).append(row["error"])
    means = {name: {label: float(np.mean(found)) for label, found in one.items()} for name, one in errors.items()}
    references = {row["task"]: {"probe": row["probe"], "frozen student": row["frozen"]} for row in rows.values()}
    print(json.dumps({"errors": means, "references": references, "views": VIEWS}))


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("task", "method", "augment", "steps", "seed"))


def _run(wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run trainings of one task with one way of augmentation."""
    name, augment = wanted[0]["task"], wanted[0]["augment"]
    task, data = TASKS[name], load(name)
    store = aft.extract(
        Dataset(data.ids, data.inputs), TEACHER, name="lite2", out=cache_dir() / "views" / name, views=VIEWS,
        precision="bf16", batch_size=64,
    )  # fmt: skip
    problem = Problem.build(data, task.student, [store], TrainConfig(augment=augment, batch_size=64))
    references = {"probe": _probe_error(problem), "frozen": _frozen_error(problem)}
    made = []
    for one in wanted:
        beta = 0.0 if one["method"] == "finetune" else 3.0
        hparams = HParams(task.lr, one["steps"], 0.01, "balanced", beta)
        logits = problem.test_logits(fit(problem, hparams, one["seed"], method=one["method"]).student)
        assert logits is not None
        error = measure(problem.targets, logits, problem.test_labels).error
        made.append({
            **one, "error": error, **references, "labelled": problem.counts.labelled, "test": problem.counts.test,
        })  # fmt: skip
        append_jsonl(ROWS, made[-1])
        print(made[-1], file=sys.stderr, flush=True)
    return made


def _probe_error(problem: Problem) -> float:
    """Test error of the linear probe on the teacher's features."""
    losses = probe_losses(problem, problem.stores)
    assert losses is not None
    return error_of(losses[None], root=False)


def _frozen_error(problem: Problem) -> float:
    """The same on the student's own features, before any training."""
    samples, targets, backbone = problem.samples, problem.targets, problem.template.backbone
    known = problem.train[samples.labelled[problem.train]]
    test = [problem.dataset.inputs[i] for i in problem.splits.test.tolist()]
    encoded = samples.encoded(known.tolist()), backbone.encode(test)
    fitted, tested = (torch.from_numpy(forward_all(problem.template, part).features) for part in encoded)
    probe = fit_linear_probe(fitted, torch.from_numpy(samples.labels[known]), targets.kind, outputs=targets.outputs)
    return measure(targets, probe(tested).numpy(), problem.test_labels).error


if __name__ == "__main__":
    main()
