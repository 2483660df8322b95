"""What a user would try before training a student, measured on the same test split."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.baselines import choose_tfidf, fit_tfidf
from aft.comparison._predictions import predictions_of, sample_losses
from aft.comparison._references import errors_of
from aft.data import is_text, labelled_samples
from aft.errors import UnknownIdError
from aft.evaluation import latency, soft_labels, throughput
from aft.models import forward_all
from aft.probing import fit_linear_probe, probe_outputs
from aft.results import Baseline
from aft.training import Problem

#: Numbers of inputs that latency and throughput are measured on.
TIMED, BATCH = 16, 256


@dataclass(frozen=True)
class FittedBaseline:
    """A model that needs no training of the student.

    Attributes:
        name: Its name in tables.
        what: What it is.
        predict: Maps raw inputs to outputs ``(N, C)``.
        bytes: Size of what is deployed.
        seconds: How long the fit took.
        needs_teachers: Whether it learns from the teachers' features.
    """

    name: str
    what: str
    predict: Callable[[Sequence[Any]], NDArray[Any]]
    bytes: int
    seconds: float
    needs_teachers: bool = False

    def losses(self, problem: Problem) -> NDArray[np.float64]:
        """The loss of each test sample, ``(N,)``."""
        inputs = [problem.dataset.inputs[i] for i in problem.splits.test.tolist()]
        predictions = predictions_of(problem.targets, self.predict(inputs))
        return sample_losses(problem.targets, predictions, problem.test_labels)


def measure_baselines(problem: Problem) -> list[Baseline]:
    """Fit the baselines that suit a task, and measure error, speed and size."""
    return [_measured(problem, fitted) for fitted in fit_baselines(problem)]


def fit_baselines(problem: Problem) -> list[FittedBaseline]:
    """Fit the baselines that suit a task. Choices are made on the validation split.

    Args:
        problem: The task.

    Returns:
        For texts TF-IDF with a linear model, on the labels and on the soft labels of a probe on the teachers' features; for a
        pretrained student a linear probe on its features as they are.
    """
    found = []
    if is_text(problem.dataset.modality):
        found += [_tfidf(problem), *_distilled_tfidf(problem)]
    if problem.students.pretrained:
        found.append(_frozen_student(problem))
    return found


def _tfidf(problem: Problem) -> FittedBaseline:
    started = time.monotonic()
    dataset, splits, targets = problem.dataset, problem.splits, problem.targets

    def labelled(positions: NDArray[np.int64]) -> tuple[list[Any], NDArray[Any]]:
        known, encoded = labelled_samples(dataset, targets, positions.tolist())
        return [dataset.inputs[i] for i in known], encoded

    penalty, _ = choose_tfidf(targets, labelled(splits.search_train), labelled(splits.validation))
    model = fit_tfidf(targets, *labelled(splits.train), penalty)
    kind = "ridge" if targets.kind == "regression" else "logistic"
    what = f"{kind} regression on words and pairs of words"
    return FittedBaseline("TF-IDF", what, model, model.bytes, time.monotonic() - started)


def _distilled_tfidf(problem: Problem) -> list[FittedBaseline]:
    """The same on the probe's soft labels of all training samples; nothing where a store lacks validation samples."""
    started = time.monotonic()
    dataset, splits, targets = problem.dataset, problem.splits, problem.targets

    def soft(train: NDArray[np.int64]) -> tuple[list[Any], NDArray[Any]]:
        known, encoded = labelled_samples(dataset, targets, train.tolist())
        ids = [dataset.ids[i] for i in train.tolist()]
        outputs = probe_outputs(problem.stores, targets, ([dataset.ids[i] for i in known], encoded), ids)
        return [dataset.inputs[i] for i in train.tolist()], soft_labels(targets, outputs)

    held_out, encoded = labelled_samples(dataset, targets, splits.validation.tolist())
    try:
        penalty, _ = choose_tfidf(targets, soft(splits.search_train), ([dataset.inputs[i] for i in held_out], encoded))
        model = fit_tfidf(targets, *soft(splits.train), penalty)
    except UnknownIdError:
        return []
    what = "the same model, fitted to what the teachers' probe predicts for all training samples"
    seconds = time.monotonic() - started
    return [FittedBaseline("TF-IDF, distilled", what, model, model.bytes, seconds, needs_teachers=True)]


def _frozen_student(problem: Problem) -> FittedBaseline:
    started = time.monotonic()
    student, samples, targets = problem.template, problem.samples, problem.targets
    known = problem.train[samples.labelled[problem.train]]
    features = torch.from_numpy(forward_all(student, samples.encoded_lazily(known.tolist())).features)
    probe = fit_linear_probe(features, torch.from_numpy(samples.labels[known]), targets.kind, outputs=targets.outputs)

    def predict(inputs: Sequence[Any]) -> NDArray[Any]:
        encoded = student.backbone.encode(list(inputs))
        outputs: NDArray[Any] = probe(torch.from_numpy(forward_all(student, encoded).features)).numpy()
        return outputs

    what = "a linear probe on the student as it is before training"
    return FittedBaseline("frozen student", what, predict, 4 * student.size(), time.monotonic() - started)


def _measured(problem: Problem, fitted: FittedBaseline) -> Baseline:
    inputs = [problem.dataset.inputs[i] for i in problem.splits.test[:BATCH].tolist()]
    return Baseline(
        name=fitted.name, what=fitted.what, **errors_of(problem, fitted.losses(problem)), bytes=fitted.bytes,
        latency_ms=latency(fitted.predict, inputs[:TIMED], repeats=3), throughput=throughput(fitted.predict, inputs),
        seconds=fitted.seconds,
    )  # fmt: skip
