"""What does transfer add to the cost of training, and what would it add with the teacher in the loop?

Measures seconds per step and memory of real trainings. Each runs in a separate process, and the methods take turns. The teacher
in the loop computes the features of each batch while the student trains, which is what one would do without a store.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from typing import Any

import harness
import tasks
import torch
from numpy.typing import NDArray

import features
from aft.data import Dataset
from aft.models import load_backbone
from aft.training import HParams, Problem, fit

METHODS = ("finetune", "aft", "kd", "probe-kd", "aft+probe-kd")
IN_LOOP = "aft, teacher in the loop"
#: Tasks and students, and the steps of one measurement: as many as take seconds.
PAIRS = {("polarity", "ngrams"): 60, ("polarity", "transformer"): 60, ("cifar10", "mobilenet"): 12}
ROUNDS, STEPS_IN_LOOP, LARGEST_BATCH = 3, 2, 256


def main() -> None:
    """Measure every method in a child process, or be such a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=3, metavar=("TASK", "STUDENT", "METHOD"))
    parser.add_argument("--minutes", type=float, help="ignored: the script takes some minutes and does not resume")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measure(*arguments.child)))
        return
    found: dict[tuple[str, str], dict[str, list[dict[str, float]]]] = {}
    for _ in range(ROUNDS):
        for pair in PAIRS:
            for method in (*METHODS, IN_LOOP):
                command = [sys.executable, __file__, "--child", *pair, method]
                line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
                found.setdefault(pair, {}).setdefault(method, []).append(json.loads(line))
    rows = []
    for (task, student), methods in found.items():
        plain = methods["finetune"]
        for method, runs in methods.items():
            # Ratios within one round, so that other load on the machine affects both sides.
            ratios = [run["seconds"] / base["seconds"] for run, base in zip(runs, plain, strict=True)]
            more = [run["megabytes"] - base["megabytes"] for run, base in zip(runs, plain, strict=True)]
            rows.append({
                "task": task, "student": student, "method": method, "milliseconds": round(1000 * statistics.median(run["seconds"] for run in runs), 2),
                "ratio": round(statistics.median(ratios), 3), "low": round(min(ratios), 3), "high": round(max(ratios), 3),
                "megabytes": round(statistics.median(run["megabytes"] for run in runs)), "more_megabytes": round(statistics.median(more)),
            })  # fmt: skip
            print(rows[-1], file=sys.stderr)
    harness.write("little_overhead", {
        "claim": "Transfer from stored features adds little to a training's time and memory.", "complete": True, "missing": [],
        "tasks": sorted({task for task, _ in PAIRS}), "students": sorted({student for _, student in PAIRS}), "seeds": ROUNDS, "rows": rows,
    })  # fmt: skip


def _measure(task: str, name: str, method: str) -> dict[str, float]:
    """Measure seconds per step, and the peak memory of this process."""
    torch.set_num_threads(1)
    problem = tasks.make_study(task, name, ()).problem
    plain = problem.default_hparams(problem.config, objective=method != "finetune")
    in_loop = method == IN_LOOP
    steps = PAIRS[task, name]
    if in_loop:
        steps = STEPS_IN_LOOP
        _compute_while_training(problem, task)
    best = float("inf")
    for _ in range(1 if in_loop else 3):
        hparams = HParams(plain.lr, steps, plain.weight_decay, "balanced", float(method != "finetune"))
        result = fit(problem, hparams, 0, method="aft" if in_loop else method)
        best = min(best, result.seconds / steps)
    return {"seconds": best, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _compute_while_training(problem: Problem, task: str) -> None:
    """Make a problem compute features with the teacher instead of reading them from the store."""
    chosen = tasks.TASKS[task]
    teacher = load_backbone(features.teachers(chosen.source)[chosen.teacher]).eval()
    samples = problem.samples
    dataset: Dataset = samples.dataset

    class Live(type(samples)):  # type: ignore[misc]
        """Samples whose features are computed when they are needed."""

        def features(self, indices: NDArray[Any], view: int = 0) -> dict[str, torch.Tensor]:
            if len(indices) > LARGEST_BATCH:  # what is fitted before the first step is not measured
                found: dict[str, torch.Tensor] = super().features(indices, view)
                return found
            with torch.no_grad():
                inputs = teacher.encode([dataset.inputs[index] for index in indices.tolist()])
                return {chosen.teacher: teacher(teacher.collate(inputs))}

    samples.__class__ = Live


if __name__ == "__main__":
    main()
