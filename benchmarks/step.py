"""A training step: with the default method beside fine-tuning, and through Lightning beside a bare loop of the same operations.

Movie sentences, features of MiniLM, batches of 64, one thread. The ways take turns; ratios are medians over the rounds. The last line
is one JSON object.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import aft
from aft.core import cache_dir
from aft.demo import minilm_folder, movie_sentences
from aft.objectives import DEFAULT_METHOD
from aft.training import HParams, Problem, TrainConfig, fit
from aft.training._loss import TaskLoss
from aft.training._module import OptimiserSettings, TrainingModule
from aft.training._sampler import BatchSchedule, StepSampler, make_streams

SAMPLES, BATCH = 2000, 64
#: Students with the number of steps of a round.
STUDENTS = {"aft:static": 150, "aft:ngrams": 150, "aft:transformer,width=128,layers=2": 25}


def problem_of(student: str) -> Problem:
    """The task, with features that are computed once and kept in the cache."""
    sentences = aft.Dataset.from_table(movie_sentences(), text="sentence", id="id", label="polarity")
    dataset = sentences.subset(np.arange(SAMPLES))
    store = aft.extract(
        dataset, f"hf:{minilm_folder()}", name="minilm", out=cache_dir() / "bench" / "step", progress=False
    )
    config = TrainConfig(batch_size=BATCH, unlabelled="skip", device="cpu")
    return Problem.build(dataset, student, [store], config)


def bare(problem: Problem, steps: int) -> float:
    """Seconds of a step of fine-tuning in a plain loop, with the batches, the loss and the optimiser of `fit`."""
    samples = problem.samples.with_stores([])
    positions = problem.train[samples.labelled[problem.train]]
    student = problem.students.new(0).train()
    loss = TaskLoss(problem.targets, None, 0.0)
    plain = problem.default_hparams(problem.config, objective=False)
    settings = OptimiserSettings(steps, plain.lr, plain.weight_decay, 0.05, 0.01)
    module = TrainingModule(student, [], loss, settings, samples.dataset.ids)
    configured = module.configure_optimizers()
    optimiser, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    sampler = iter(StepSampler(BatchSchedule(make_streams(positions, samples.labelled, BATCH), 0)))
    start = time.perf_counter()
    for _ in range(steps):
        batch = samples[next(sampler)]
        value = loss(student(batch["inputs"]).logits, batch["targets"], batch["labelled"])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
    return (time.perf_counter() - start) / steps


def fitted(problem: Problem, method: str, steps: int) -> float:
    """Seconds of a step of a training."""
    plain = problem.default_hparams(problem.config, objective=method != "finetune")
    beta = float(method != "finetune")
    hparams = HParams(plain.lr, steps, plain.weight_decay, "balanced" if beta else None, beta)
    return fit(problem, hparams, 0, method=method).seconds / steps


def main() -> None:
    """Measure each student."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for student, steps in STUDENTS.items():
        problem = problem_of(student)
        ways: dict[str, Callable[[], float]] = {
            "bare": lambda problem=problem, steps=steps: bare(problem, steps),  # type: ignore[misc]
            "finetune": lambda problem=problem, steps=steps: fitted(problem, "finetune", steps),  # type: ignore[misc]
            "aft": lambda problem=problem, steps=steps: fitted(problem, "aft", steps),  # type: ignore[misc]
            "default": lambda problem=problem, steps=steps: fitted(problem, DEFAULT_METHOD, steps),  # type: ignore[misc]
        }
        measured: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(arguments.rounds + 1):
            for name, run in ways.items():
                seconds = run()
                if number:  # the first round loads what is loaded once
                    measured[name].append(seconds)
        ratios = {
            name: [a / b for a, b in zip(found, measured["finetune"], strict=True)] for name, found in measured.items()
        }
        lightning = [a / b for a, b in zip(measured["finetune"], measured["bare"], strict=True)]
        rows.append({
            "student": student, "ms": {name: round(1e3 * statistics.median(found), 2) for name, found in measured.items()},
            "of_finetune": {name: round(statistics.median(ratios[name]), 3) for name in ("aft", "default")},
            "finetune_of_bare": round(statistics.median(lightning), 3),
        })  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"benchmark": "step", "batch": BATCH, "threads": 1, "rounds": arguments.rounds, "rows": rows}))


if __name__ == "__main__":
    main()
