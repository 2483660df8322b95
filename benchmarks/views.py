"""What should training show the student: each sample itself, new augmentations, or views with features of their own?

Fine-tuning, AFT and probe-kd with ``augment`` none, clean and views, a tenth of the labels and the other samples unlabelled. Only
training splits are used: a thousand samples of each (or a fifth) are held out, and errors are on these. Features and finished
trainings are kept, and an interrupted run resumes. CIFAR-10 and Caltech-101 are read from the folder that ``AFT_DATA`` names;
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

import aft
from aft.core import append_jsonl, cache_dir, read_jsonl
from aft.data import Dataset
from aft.demo import digit_pictures, emoji_pictures
from aft.evaluation import measure
from aft.training import HParams, Problem, TrainConfig, fit

ROWS = Path(__file__).parent / "results" / "views.jsonl"
TEACHER, VIEWS, LABELLED = "python:aft.demo:lite2", 6, 0.1
METHODS, AUGMENTS, SEEDS = ("finetune", "aft", "probe-kd"), ("none", "clean", "views"), (0, 1)
SMALL, PRETRAINED = "timm:resnet10t,image_size=32,weights=random", "python:aft.demo:mobilenetv2_64"


@dataclass(frozen=True)
class Task:
    """A task: its student, the number of its samples, and how long and how fast the student learns."""

    student: str
    samples: int
    steps: int
    lr: float


TASKS = {
    "caltech101": Task(PRETRAINED, 5784, 400, 1e-3),
    "cifar10": Task(PRETRAINED, 3500, 400, 1e-3),
    "emoji": Task(SMALL, 2500, 1000, 2e-3),
    "digits": Task(SMALL, 2500, 1000, 2e-3),
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
    chosen = parser.parse_args().tasks
    rows = {(row["task"], row["method"], row["augment"], row["seed"]): row for row in read_jsonl(ROWS)}
    for name in chosen:
        for seed in SEEDS:
            for augment in AUGMENTS:
                missing = [method for method in METHODS if (name, method, augment, seed) not in rows]
                for row in _run(name, missing, augment, seed) if missing else ():
                    rows[name, row["method"], augment, seed] = row
    summary = {
        name: {
            f"{method}, {augment}": float(np.mean([rows[name, method, augment, seed]["error"] for seed in SEEDS]))
            for method in METHODS
            for augment in AUGMENTS
        }
        for name in chosen
    }
    probes = {name: rows[name, METHODS[0], "none", SEEDS[0]]["probe"] for name in chosen}
    print(json.dumps({"errors": summary, "probe": probes, "views": VIEWS, "seeds": len(SEEDS)}))


def _run(name: str, methods: list[str], augment: str, seed: int) -> list[dict[str, Any]]:
    task, data = TASKS[name], load(name)
    unlabelled = Dataset(data.ids, data.inputs)
    store = aft.extract(
        unlabelled,
        TEACHER,
        name="lite2",
        out=cache_dir() / "views" / name,
        views=VIEWS,
        precision="bf16",
        batch_size=64,
    )
    config = TrainConfig(augment=augment, batch_size=64)  # type: ignore[arg-type]
    problem = Problem.build(data, task.student, [store], config)
    probe = _probe_error(problem)
    made = []
    for method in methods:
        beta = 0.0 if method == "finetune" else 3.0
        hparams = HParams(task.lr, task.steps, 0.01, "balanced", beta)
        logits = problem.test_logits(fit(problem, hparams, seed, method=method).student)
        assert logits is not None
        error = measure(problem.targets, logits, problem.test_labels).error
        made.append({
            "task": name, "method": method, "augment": augment, "seed": seed, "error": error, "probe": probe,
            "labelled": problem.counts.labelled, "test": problem.counts.test,
        })  # fmt: skip
        append_jsonl(ROWS, made[-1])
        print(made[-1], file=sys.stderr, flush=True)
    return made


def _probe_error(problem: Problem) -> float:
    """Test error of the linear probe on the teacher's features."""
    import torch

    from aft.probing import fit_linear_probe

    samples, store = problem.samples, problem.stores[0]
    known = problem.train[samples.labelled[problem.train]]
    features = store.tensor([samples.dataset.ids[i] for i in known])
    probe = fit_linear_probe(
        features, torch.from_numpy(samples.labels[known]), problem.targets.kind, outputs=problem.targets.outputs
    )
    test = store.tensor([problem.dataset.ids[i] for i in problem.splits.test])
    return measure(problem.targets, probe(test).numpy(), problem.test_labels).error


if __name__ == "__main__":
    main()
