"""One trial of the hyperparameter search: train on part of the training split, measure on the validation split."""

import math
import time
from collections.abc import Mapping
from typing import Any

from aft.core import Progress, broadcast_object
from aft.errors import NonFiniteError
from aft.models import Student
from aft.runs import Trial
from aft.training._fit import EarlyCheck, fit
from aft.training._problem import Problem
from aft.training._search import SEARCH_SEED, TrialRequest, early_step


def run_trial(
    problem: Problem,
    request: TrialRequest,
    options: Mapping[str, Any] | None = None,
    *,
    progress: Progress | None = None,
) -> Trial:
    """Run a trial.

    Args:
        problem: What is trained.
        request: Method, hyperparameters, and the loss beyond which to stop early.
        options: Options of the method's objectives; those of the problem's config by default.
        progress: Counts the steps.

    Returns:
        The trial, with its validation loss.
    """
    start = time.monotonic()
    hparams = request.hparams
    early: list[tuple[float, float, float | None]] = []

    def keep_going(student: Student) -> bool:
        loss, error, pooled = problem.measure_search(student)
        early.append((loss, error, pooled))
        decisive = pooled if request.pooled and pooled is not None else loss
        return broadcast_object(decisive <= request.max_early_loss)

    def ended(loss: float | None, error: float | None, early_loss: float | None, **outcome: Any) -> Trial:
        return Trial(request.method, hparams, loss, error, early_loss, time.monotonic() - start, **outcome)

    try:
        result = fit(
            problem, hparams, SEARCH_SEED, method=request.method, options=options, positions=problem.search_train,
            early_check=EarlyCheck(early_step(hparams), keep_going), validate=True, progress=progress,
        )  # fmt: skip
    except NonFiniteError:
        return ended(None, None, None, stopped=True)
    loss, error, pooled = problem.measure_search(result.student)
    if not math.isfinite(loss):
        return ended(None, None, None, stopped=True)
    early_loss, _, early_pooled = early[0] if early else (loss, error, pooled)
    return ended(
        loss, error, early_loss, pooled_loss=pooled, early_pooled_loss=early_pooled, stopped=result.stopped,
        curve=result.curve,
    )  # fmt: skip
