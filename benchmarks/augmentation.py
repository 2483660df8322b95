"""Does augmentation help image students? Validation loss and error with ``--augment none`` and ``clean``.

A small ResNet with random weights is fine-tuned on part of the training split of each task, with two learning rates, and measured
on the validation split. Test samples play no part. Finished trainings are kept in ``benchmarks/results/augmentation.jsonl``, and an
interrupted run resumes. CIFAR-10 and Caltech-101 are read from the folder that ``AFT_DATA`` names; without it, only the pictures that
the package registries carry are used.
"""

import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

import aft
from aft.core import append_jsonl, process_pool, read_jsonl
from aft.demo import digit_pictures, emoji_pictures
from aft.training import HParams, Problem, TrainConfig, TrialRequest, run_trial

ROWS = Path(__file__).parent / "results" / "augmentation.jsonl"
STUDENT = "timm:resnet10t,image_size=32,weights=random"
SAMPLES, STEPS, RATES, AUGMENTS = 2500, 600, (1e-3, 3e-3), ("none", "clean")


def tasks() -> dict[str, Any]:
    """Return what reads the dataset of each task."""
    found: dict[str, Any] = {
        "emoji": lambda: aft.Dataset.from_folder(emoji_pictures()),
        "digits": lambda: aft.Dataset.from_folder(digit_pictures()),
    }
    folder = os.environ.get("AFT_DATA")
    if folder:
        for name in ("cifar10", "caltech101"):
            path = Path(folder) / name / "train.parquet"
            found[name] = lambda path=path: aft.Dataset.from_table(path, image="image", label="label")
    return found


class Trials:
    """Runs trials in a process."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], Problem] = {}

    def run(self, task: str, augment: str, lr: float) -> dict[str, Any]:
        """Run a trial."""
        if (task, augment) not in self._problems:
            dataset = tasks()[task]()
            chosen = np.random.default_rng(20261124).permutation(len(dataset))[:SAMPLES]
            config = TrainConfig(method="finetune", augment=augment, batch_size=64, test_fraction=0.0)  # type: ignore[arg-type]
            self._problems = {(task, augment): Problem.build(dataset.subset(chosen), STUDENT, [], config)}
        problem = self._problems[task, augment]
        trial = run_trial(problem, TrialRequest("finetune", HParams(lr, STEPS, 0.05)))
        return {
            "task": task, "augment": augment, "lr": lr, "loss": trial.loss, "error": trial.error,
            "curve": [point.loss for point in trial.curve], "samples": problem.counts.validation,
        }  # fmt: skip


def main() -> None:
    """Run what is missing, and print a summary."""
    rows = {(row["task"], row["augment"], row["lr"]): row for row in read_jsonl(ROWS)}
    missing = [
        (task, augment, lr)
        for task in tasks()
        for augment in AUGMENTS
        for lr in RATES
        if (task, augment, lr) not in rows
    ]
    with process_pool(Trials, 2, 1) as call:
        for key, future in [(key, call("run", *key)) for key in missing]:
            rows[key] = future.result()
            append_jsonl(ROWS, rows[key])
            print(rows[key]["task"], rows[key]["augment"], rows[key]["lr"], rows[key]["error"], file=sys.stderr)
    best = {
        task: {
            augment: min((rows[task, augment, lr] for lr in RATES), key=lambda row: row["loss"]) for augment in AUGMENTS
        }
        for task in tasks()
    }
    ratios = {task: one["clean"]["loss"] / one["none"]["loss"] for task, one in best.items()}
    print(
        json.dumps(
            {
                "errors": {task: {name: row["error"] for name, row in one.items()} for task, one in best.items()},
                "loss_ratio": ratios,
                "mean_loss_ratio": statistics.geometric_mean(ratios.values()),
            }
        )
    )


if __name__ == "__main__":
    main()
