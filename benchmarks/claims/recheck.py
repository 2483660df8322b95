"""Train random rows of ``results/trainings.jsonl`` again and compare the numbers.

Run it after a refactor that must not change results, or on another machine. Losses, metrics and predictions are compared
exactly. On a processor that rounds differently, rows differ in their last digits; the median and the largest relative difference
of a validation loss say by how much.
"""

import argparse
import json
import random
import statistics
import sys
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

import better_teachers_better_students
import better_than_alternatives
import fifty_times_smaller
import harness
import noise_dimensions
import scarce_labels
import teachers_complement

from aft.comparison import FinishedTraining, Journal, Study, Worker, training_key
from aft.core import process_pool


def all_studies() -> dict[str, Study]:
    """Return every study of the claims by its name."""
    studies = [
        *better_than_alternatives.studies(), *scarce_labels.studies().values(), *fifty_times_smaller.studies(),
        *better_teachers_better_students.studies(), *teachers_complement.studies(), *noise_dimensions.studies(),
    ]  # fmt: skip
    return {study.name: study for study in studies}


def main() -> None:
    """Train the sample of rows again and print how many are identical."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=60, help="number of rows to train again")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the sample")
    parser.add_argument("--processes", type=int, default=2, help="number of trainings side by side")
    arguments = parser.parse_args()
    start = time.monotonic()
    studies = all_studies()
    items = [item for item in Journal(harness.JOURNAL).items() if item[1].spec.problem in studies]
    chosen = random.Random(arguments.seed).sample(items, min(arguments.sample, len(items)))
    names = {row.spec.problem for _, row in chosen}
    different, unknown, differences = [], [], [0.0]
    with process_pool(partial(Worker, {name: studies[name].source for name in names}), arguments.processes, 1) as call:
        running: list[tuple[str, FinishedTraining, Future[FinishedTraining]]] = [
            (key, row, call("work", row.spec)) for key, row in chosen
        ]
        for number, (key, row, future) in enumerate(running, 1):
            again = future.result()
            if training_key(row.spec, studies[row.spec.problem].digest_for(row.spec)) != key:
                unknown.append(row.spec.problem)  # samples, features or settings have changed since
            if _numbers(again) != _numbers(row):
                different.append([row.spec.problem, row.spec.method, row.spec.stage])
            if row.trial and again.trial and row.trial.loss and again.trial.loss:
                differences.append(abs(again.trial.loss / row.trial.loss - 1))
            print(f"{number} of {len(running)}: {row.spec.problem} {row.spec.method}", file=sys.stderr)
    result: dict[str, Any] = {
        "benchmark": "recheck", "rows": len(items), "trained_again": len(chosen), "identical": len(chosen) - len(different),
        "different": different, "of_another_problem": unknown, "median_difference_of_a_validation_loss": statistics.median(differences),
        "largest_difference_of_a_validation_loss": max(differences),
        "made_by": harness.made_by(), "seconds": round(time.monotonic() - start, 1),
    }  # fmt: skip
    print(json.dumps(result))


def _numbers(row: FinishedTraining) -> Any:
    validation = None if row.trial is None else [row.trial.loss, row.trial.error]
    return json.loads(json.dumps([validation, row.test, row.predictions]))


if __name__ == "__main__":
    main()
