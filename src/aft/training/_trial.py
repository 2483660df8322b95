"""One trial of the hyperparameter search: train on part of the training split, measure on the validation split."""

import math
import time
from collections.abc import Mapping
from typing import Any

from aft.core import broadcast_object
from aft.errors import NonFiniteError
from aft.evaluation import calibrated_loss, measure
from aft.models import Student, forward_all
from aft.runs import Trial
from aft.training._fit import EarlyCheck, fit
from aft.training._problem import Problem
from aft.training._search import SEARCH_SEED, TrialRequest


def run_trial(problem: Problem, request: TrialRequest, options: Mapping[str, Any] | None = None) -> Trial:
    """Run a trial.

    Args:
        problem: What is trained.
        request: Method, hyperparameters, and the loss beyond which to stop early.
        options: Options of the method's objectives; those of the problem's config by default.

    Returns:
        The trial, with its validation loss.
    """
    start = time.monotonic()
    hparams = request.hparams
    encoded = problem.samples.encoded(problem.validation.tolist())
    labels = problem.samples.labels[problem.validation]
    early_losses: list[float] = []

    def keep_going(student: Student) -> bool:
        logits = forward_all(student, encoded).logits
        early_losses.append(calibrated_loss(problem.targets, logits, labels))
        return broadcast_object(early_losses[-1] <= request.max_early_loss)

    try:
        result = fit(
            problem, hparams, SEARCH_SEED, method=request.method, options=options, positions=problem.search_train,
            early_check=EarlyCheck(max(1, hparams.steps // 3), keep_going),
        )  # fmt: skip
    except NonFiniteError:
        return Trial(request.method, hparams, None, None, None, time.monotonic() - start, stopped=True)
    logits = forward_all(result.student, encoded).logits
    loss = calibrated_loss(problem.targets, logits, labels)
    if not math.isfinite(loss):
        return Trial(request.method, hparams, None, None, None, time.monotonic() - start, stopped=True)
    return Trial(
        request.method, hparams, loss, measure(problem.targets, logits, labels).error,
        early_losses[0] if early_losses else loss, time.monotonic() - start, stopped=result.stopped,
    )  # fmt: skip
