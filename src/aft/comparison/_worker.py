"""Doing a job: in this process or in one of several."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

from aft.comparison._problem_spec import Cell
from aft.comparison._training_spec import Job
from aft.comparison._journal import Row
from aft.comparison._predictions import encode
from aft.errors import RunError
from aft.evaluation import measure
from aft.training import RunLayout, Training, claim

#: Cells whose samples a process keeps, encoded, in memory.
KEPT = 3


class Worker:
    """Trains what it is told to, keeping what the trainings of a cell share.

    Args:
        cells: By name.
        runs: Folder to keep the compared trainings' run folders in; None keeps rows alone.
    """

    def __init__(self, cells: Mapping[str, Cell], runs: Path | None = None) -> None:
        self._cells = cells
        self._runs = runs
        self._trainings: dict[str, Training] = {}

    def training(self, cell: str) -> Training:
        """The cell's training, made on its first use; the least recently used one is let go."""
        training = self._trainings.pop(cell, None) or self._cells[cell].training()
        self._trainings[cell] = training
        while len(self._trainings) > KEPT:
            self._trainings.pop(next(iter(self._trainings)))
        return training

    def work(self, job: Job) -> Row:
        """Train, and say what came of it."""
        start = time.perf_counter()
        base, choice = self.training(job.cell), job.choice
        training = base.variant(
            method=job.method, options=job.options, beta=choice.beta, strength="auto" if choice.form == "none" else choice.form,
            steps=choice.steps, lr=choice.lr, weight_decay=choice.weight_decay, seed=job.seed,
        )  # fmt: skip
        if job.part == "trial":
            trial = training.trial(choice.form, choice.beta, choice.steps, None)
            finite = math.isfinite(trial.loss)
            return {
                "validation": {"loss": trial.loss if finite else None, "error": trial.error if finite else None},
                "seconds": round(time.perf_counter() - start, 3),
            }
        if self._runs is None:
            form = "raw" if choice.form == "none" else choice.form
            training.fit(form, choice.beta, choice.steps, training.members)
        else:
            _train_into(training, RunLayout(self._runs / f"{job.method}-{job.seed}"))
        logits = training.test_logits()
        assert logits is not None  # a comparison refuses a dataset without a test part
        test = measure(training.targets, logits, training.test_labels)
        return {
            "test": {"error": test.error, **test.values},
            "predictions": encode(training.targets, logits),
            "seconds": round(time.perf_counter() - start, 3),
        }


def _train_into(training: Training, layout: RunLayout) -> None:
    """Train into a run folder, going on with what an interruption left; the student then has the run's weights."""
    try:
        finished = claim(layout, training.description(), overwrite=False)
    except RunError:
        # The same method with another choice: its row said that it is stale.
        finished = claim(layout, training.description(), overwrite=True)
    if finished is None:
        training.run(layout)
    else:
        training.restore(layout)
