"""Choosing form and value of the strength, and the number of steps, on a validation part of the training data."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from aft.errors import NonFiniteError, name_some
from aft.core import broadcast_object, rank_zero_first, rank
from aft.core import append_jsonl, read_jsonl

log = logging.getLogger("aft")

#: Strengths that are tried; 0, plain fine-tuning, is always among them. The range is benchmarks/strength_forms.py's finding.
GRID: dict[str, tuple[float, ...]] = {"raw": (3.0, 10.0, 30.0, 100.0), "balanced": (0.3, 1.0, 3.0, 10.0)}
#: Lengths that are tried, as multiples of the student's usual number of steps.
LENGTHS = (0.5, 1.0, 2.0)
#: A trial is given up when, at a third of its steps, its validation loss exceeds the plain one's by this factor.
HOPELESS = 1.25


@dataclass(frozen=True)
class Trial:
    """A training on a part of the training data, and what it scored on the rest.

    Attributes:
        form: ``raw`` or ``balanced``; ``none`` for strength 0.
        beta: The strength.
        steps: Optimiser steps.
        loss: Validation loss at its best temperature; what is chosen by.
        error: Validation error.
        early_loss: Validation loss at a third of the steps.
        seconds: Time that it took.
        pruned: Given up early.
    """

    form: str
    beta: float
    steps: int
    loss: float
    error: float
    early_loss: float
    seconds: float
    pruned: bool = False

    def __str__(self) -> str:
        what = "fine-tuning" if self.beta == 0 else f"{self.form} beta {self.beta:g}"
        end = (
            f"given up at a third, loss {self.early_loss:.4f}"
            if self.pruned
            else f"loss {self.loss:.4f}, error {self.error:.4f}"
        )
        return f"{what}, {self.steps} steps: {end}, {self.seconds:.0f} s"


@dataclass(frozen=True)
class Selection:
    """What was chosen, and every trial.

    Attributes:
        form: ``raw`` or ``balanced``.
        beta: The strength; 0 where nothing helped.
        steps: Optimiser steps.
        trials: All that was tried, in order.
    """

    form: Literal["raw", "balanced"]
    beta: float
    steps: int
    trials: tuple[Trial, ...]

    @property
    def seconds(self) -> float:
        """What it cost."""
        return sum(trial.seconds for trial in self.trials)

    def __str__(self) -> str:
        offered = any(trial.beta for trial in self.trials)
        chosen = (
            f"{self.form} beta {self.beta:g}, " if self.beta else "no objective, which did best, " if offered else ""
        )
        pruned = sum(trial.pruned for trial in self.trials)
        return f"chose {chosen}{self.steps} steps, from {len(self.trials)} trials ({pruned} given up early) in {self.seconds:.0f} s"


#: Runs a trial: form, beta, steps, and the early loss beyond which to give it up; None looks at no early loss.
Runner = Callable[[str, float, int, float | None], Trial]


def select(
    run: Runner,
    *,
    forms: tuple[Literal["raw", "balanced"], ...],
    usual_steps: int,
    steps: int | None,
    with_objective: bool,
    journal: Path | None = None,
) -> Selection:
    """Search: the length of plain fine-tuning first, then the strength at that length, then a longer one for the best.

    Args:
        run: Runs one trial.
        forms: Forms of the strength to try.
        usual_steps: The student's usual number of steps.
        steps: The number of steps, if the user fixed it.
        with_objective: Whether there is an objective whose strength to choose.
        journal: File that finished trials are kept in: a search that was interrupted does not repeat them.

    Returns:
        The choice: the trial of the lowest validation loss.
    """
    known = rank_zero_first(lambda: _read(journal))
    trials: list[Trial] = []

    def attempt(form: str, beta: float, length: int, limit: float) -> Trial:
        trial = known.get((form, beta, length))
        if trial is None:
            trial = broadcast_object(run(form, beta, length, limit))
            log.info("  %s", trial)
            if journal is not None and rank() == 0:
                append_jsonl(journal, asdict(trial))
        trials.append(trial)
        return trial

    lengths = [steps] if steps is not None else sorted({max(1, round(usual_steps * share)) for share in LENGTHS})
    plain = {length: attempt("none", 0.0, length, float("inf")) for length in lengths}
    finished = [trial for trial in plain.values() if not trial.pruned]
    if not finished:
        raise NonFiniteError(
            f"plain fine-tuning must converge before a strength is chosen; the loss became NaN with every length of {name_some(lengths)} steps; lower --lr"
        )
    best = min(finished, key=lambda trial: trial.loss)
    if with_objective:
        limit = HOPELESS * best.early_loss
        for form in forms:
            _climb(GRID[form], lambda beta, form=form: attempt(form, beta, best.steps, limit))  # type: ignore[misc]
        chosen = min((trial for trial in trials if not trial.pruned), key=lambda trial: trial.loss)
        longer = next((length for length in lengths if length > chosen.steps), None)
        if chosen.beta and longer is not None:
            attempt(chosen.form, chosen.beta, longer, float("inf"))
    chosen = min((trial for trial in trials if not trial.pruned), key=lambda trial: trial.loss)
    return Selection("balanced" if chosen.form == "balanced" else "raw", chosen.beta, chosen.steps, tuple(trials))


def _climb(grid: tuple[float, ...], attempt: Callable[[float], Trial]) -> None:
    """Try the middle of a grid, then go on towards the better side for as long as it gets better."""

    def loss(place: int) -> float:
        trial = attempt(grid[place])
        return float("inf") if trial.pruned else trial.loss

    low = (len(grid) - 1) // 2
    high = min(low + 1, len(grid) - 1)
    below = loss(low)
    above = loss(high) if high != low else below
    if above < below:
        while high + 1 < len(grid) and (further := loss(high + 1)) < above:
            high, above = high + 1, further
    else:
        while low > 0 and (further := loss(low - 1)) < below:
            low, below = low - 1, further


def _read(journal: Path | None) -> dict[tuple[str, float, int], Trial]:
    known = {}
    for row in [] if journal is None else read_jsonl(journal):
        try:
            trial = Trial(**row)
        except TypeError:
            continue  # of another version
        known[trial.form, trial.beta, trial.steps] = trial
    return known
