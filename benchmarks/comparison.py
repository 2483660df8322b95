"""What a comparison takes beside the trainings alone, which are run one after the other in this process.

A transformer on movie sentences with features of MiniLM: fine-tuning, AFT and the default method with three seeds each, with given
learning rate, steps and beta. Besides, a comparison splits and encodes, fits the teacher's probe and the baselines, measures errors and
latency, and writes runs and a journal. One process and one thread on both sides, in turn; then two processes. The last line is one JSON object.
"""

import argparse
import json
import statistics
import tempfile
import time

import torch

import aft
from aft.objectives import DEFAULT_METHOD
from aft.training import HParams, fit
from step import problem_of

STUDENT = "aft:transformer,width=128,layers=2"
METHODS, SEEDS, LR, BETA = ("finetune", "aft", DEFAULT_METHOD), 3, 1e-3, 1.0


def alone(steps: int) -> float:
    """Seconds of the trainings, and of the students' outputs for the test split."""
    problem, seconds = problem_of(STUDENT), 0.0
    for method in METHODS:
        hparams = HParams(LR, steps, 0.01, "balanced", 0.0 if method == "finetune" else BETA)
        for seed in range(SEEDS):
            start = time.perf_counter()
            problem.test_logits(fit(problem, hparams, seed, method=method).student)
            seconds += time.perf_counter() - start
    return seconds


def compared(steps: int, processes: int) -> float:
    """Seconds of the comparison."""
    problem = problem_of(STUDENT)
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        aft.compare(
            problem.dataset, STUDENT, problem.stores, methods=METHODS, seeds=SEEDS, out=out, config=problem.config, lr=LR, steps=steps,
            beta=BETA, weighting="balanced", processes=processes, progress=False,
        )  # fmt: skip
        return time.perf_counter() - start


def main() -> None:
    """Measure in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fit(problem_of(STUDENT), HParams(LR, 5, 0.01), 0, method="finetune")  # loads what is loaded once
    rows = [
        (alone(arguments.steps), compared(arguments.steps, 1), compared(arguments.steps, 2))
        for _ in range(arguments.rounds)
    ]
    plain, one, two = (statistics.median(column) for column in zip(*rows, strict=True))
    print(json.dumps({
        "benchmark": "comparison", "trainings": len(METHODS) * SEEDS, "steps": arguments.steps, "alone_seconds": round(plain, 2),
        "one_process_seconds": round(one, 2), "two_processes_seconds": round(two, 2),
        "ratio": round(statistics.median(b / a for a, b, _ in rows), 3),
        "two_processes_of_half": round(statistics.median(2 * c / a for a, _, c in rows), 3),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
