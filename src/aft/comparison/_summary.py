"""What a comparison found: a result for each method, and conclusions in words."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.comparison._journal import FinishedTraining
from aft.comparison._predictions import sample_losses, unpack_predictions
from aft.comparison._study import Study
from aft.data import Targets
from aft.evaluation import (
    balanced_error_of,
    confusion,
    draw,
    error_of,
    gap_closed,
    normalised_error,
    paired_difference,
)
from aft.results import Baseline, Difference, MethodResult, seeds_phrase
from aft.results import Trial as TrialResult
from aft.runs import Trial


def losses_of(targets: Targets, labels: NDArray[Any], trainings: Sequence[FinishedTraining]) -> NDArray[np.float64]:
    """Losses of a method's final trainings on the test split, ``(S, N)``."""
    packed = [training.predictions for training in trainings if training.predictions is not None]
    return np.stack([sample_losses(targets, unpack_predictions(one), labels) for one in packed])


def summarise(study: Study, method: str, *, probe: float | None) -> MethodResult:
    """Summarise the trainings of a method.

    Args:
        study: The finished study.
        method: The method's name.
        probe: Error of the probe, or None.

    Returns:
        The method's result, without curves and gates.
    """
    targets, labels = study.problem.targets, study.problem.test_labels
    root = targets.kind == "regression"
    hparams, finals, trials = study.found.chosen[method], study.finals[method], study.found.trials.get(method, [])
    own, plain = (losses_of(targets, labels, study.finals[name]) for name in (method, "finetune"))
    errors = [error_of(one[None], root=root) for one in own]
    mean, plain_mean = error_of(own, root=root), error_of(plain, root=root)
    low, high = np.quantile(draw(own[None], root=root)[0], [0.025, 0.975])
    ratio = normalised_error([(own, plain, root)])
    difference = paired_difference(own, plain, root=root)
    confused = None
    if targets.kind == "classification":
        one_hot = np.eye(targets.outputs)
        counts = [
            confusion(targets, one_hot[unpack_predictions(t.predictions)], labels) for t in finals if t.predictions
        ]
        confused = tuple(map(tuple, np.sum(counts, axis=0).tolist()))
    tests = [training.test or {} for training in finals]
    return MethodResult(
        method=method, weighting=hparams.weighting, beta=hparams.beta, steps=hparams.steps, lr=hparams.lr,
        weight_decay=hparams.weight_decay, errors=tuple(errors), mean=mean,
        spread=statistics.stdev(errors) if len(errors) > 1 else 0.0, low=float(low), high=float(high),
        balanced_error=balanced_error_of(own, labels) if targets.kind == "classification" else None,
        normalised=ratio.mean, normalised_low=ratio.low, normalised_high=ratio.high,
        gap_closed=gap_closed(mean, plain_mean, probe),
        difference=None if method == "finetune" else Difference(
            mean=difference.mean, low=difference.low, high=difference.high, noise=difference.is_noise
        ),
        same_as_finetune=method != "finetune" and not hparams.beta,
        search_seconds=sum(trial.seconds for trial in trials),
        train_seconds=statistics.median(training.seconds for training in finals),
        metrics={name: statistics.mean(test[name] for test in tests) for name in tests[0] if name != "error"},
        confusion=confused, trials=tuple(map(_flatten, trials)),
    )  # fmt: skip


def _flatten(trial: Trial) -> TrialResult:
    hparams = trial.hparams
    return TrialResult(
        weighting=hparams.weighting, beta=hparams.beta, steps=hparams.steps, lr=hparams.lr,
        weight_decay=hparams.weight_decay, loss=trial.loss, pooled_loss=trial.pooled_loss, error=trial.error, seconds=trial.seconds,
        stopped=trial.stopped,
    )  # fmt: skip


def conclude(
    methods: Sequence[MethodResult], probe: float | None, targets: Targets, baselines: Sequence[Baseline] = ()
) -> tuple[str, ...]:
    """Say what the numbers mean, and which differences are noise.

    Args:
        methods: A result for each method, fine-tuning's included.
        probe: Error of the probe, or None.
        targets: The task.
        baselines: What needs no trained student.

    Returns:
        Sentences. The first says so where no student is worth training.
    """
    scale, unit = (1.0, "") if targets.kind == "regression" else (100.0, " points")
    digits = 3 if targets.kind == "regression" else 1

    def shown(value: float, sign: str = "") -> str:
        return f"{scale * value:{sign}.{digits}f}"

    def interval(result: MethodResult, low: float, high: float, sign: str = "") -> str:
        return f"95 % interval {shown(low, sign)} to {shown(high, sign)}; {seeds_phrase(len(result.errors))}"

    plain = next(method for method in methods if method.method == "finetune")
    others = sorted((method for method in methods if method is not plain), key=lambda method: method.mean or 0.0)
    sentences = []
    for result in others:
        found = result.difference
        if result.same_as_finetune or found is None or found.mean is None or found.low is None or found.high is None:
            continue
        if found.noise:
            sentences.append(
                f"{result.method} does not differ from fine-tuning beyond noise ({shown(found.mean, '+')}{unit}, "
                f"{interval(result, found.low, found.high, '+')})."
            )
            continue
        verb, low, high = "lowers", -found.high, -found.low
        if found.mean > 0:
            verb, low, high = "raises", found.low, found.high
        sentences.append(
            f"{result.method} {verb} the error by {shown(abs(found.mean))}{unit} compared with fine-tuning "
            f"({interval(result, low, high)})."
        )
    same = [result.method for result in others if result.same_as_finetune]
    if same:
        sentences.append(
            f"{', '.join(same)}: no beta did better than 0 on validation data, so {'these are' if len(same) > 1 else 'this is'} "
            "plain fine-tuning here."
        )
    if probe is not None and plain.mean is not None and probe >= plain.mean:
        sentences.append(
            "The probe on the teachers' features is no better than fine-tuning here: the student has little to learn from them."
        )
    advice = _advice(methods, baselines, lambda value: shown(value) + ("" if targets.kind == "regression" else " %"))
    return (*advice, *sentences)


def _advice(methods: Sequence[MethodResult], baselines: Sequence[Baseline], shown: Callable[[float], str]) -> list[str]:
    """A sentence on the best student beside the best baseline."""
    best = min(methods, key=lambda method: method.mean if method.mean is not None else math.inf)
    winner = min(baselines, key=lambda one: one.error if one.error is not None else math.inf, default=None)
    if winner is None or winner.error is None or best.mean is None:
        return []
    if winner.error > best.mean:
        noise = winner.low is not None and winner.low <= best.mean
        return [
            f"The best student ({best.method}) has an error of {shown(best.mean)}, the best baseline ({winner.name}) "
            f"{shown(winner.error)}{'; the difference may be noise' if noise else ''}."
        ]
    if winner.high is not None and best.mean <= winner.high:
        return [
            f"{winner.name} is about as good as the best student ({best.method}), {shown(winner.error)} against "
            f"{shown(best.mean)}, and needs no student."
        ]
    return [
        f"Do not train this student: {winner.name} has an error of {shown(winner.error)}, the best student ({best.method}) "
        f"{shown(best.mean)}."
    ]
