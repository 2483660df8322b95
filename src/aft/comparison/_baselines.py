"""What a user would try before training a student, measured on the same test split."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.baselines import choose_tfidf, fit_tfidf
from aft.comparison._predictions import predictions_of, sample_losses
from aft.data import is_text, labelled_samples
from aft.errors import UnknownIdError
from aft.evaluation import draw, error_of, latency, soft_labels, throughput
from aft.models import forward_all
from aft.probing import fit_linear_probe, probe_outputs
from aft.results import Baseline
from aft.training import Problem

#: Numbers of inputs that latency and throughput are measured on.
TIMED, BATCH = 16, 256


def measure_baselines(problem: Problem) -> list[Baseline]:
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


def _tfidf(problem: Problem) -> Baseline:
    started = time.monotonic()
    dataset, splits, targets = problem.dataset, problem.splits, problem.targets

    def labelled(positions: NDArray[np.int64]) -> tuple[list[Any], NDArray[Any]]:
        known, encoded = labelled_samples(dataset, targets, positions.tolist())
        return [dataset.inputs[i] for i in known], encoded

    penalty, _ = choose_tfidf(targets, labelled(splits.search_train), labelled(splits.validation))
    model = fit_tfidf(targets, *labelled(splits.train), penalty)
    kind = "ridge" if targets.kind == "regression" else "logistic"
    return _measured(problem, "TF-IDF", f"{kind} regression on words and pairs of words", model, model.bytes, started)


def _distilled_tfidf(problem: Problem) -> list[Baseline]:
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
    return [_measured(problem, "TF-IDF, distilled", what, model, model.bytes, started)]


def _frozen_student(problem: Problem) -> Baseline:
    started = time.monotonic()
    student, samples, targets = problem.template, problem.samples, problem.targets
    known = problem.train[samples.labelled[problem.train]]
    features = torch.from_numpy(forward_all(student, samples.encoded(known.tolist())).features)
    probe = fit_linear_probe(features, torch.from_numpy(samples.labels[known]), targets.kind, outputs=targets.outputs)

    def predict(inputs: Sequence[Any]) -> NDArray[Any]:
        encoded = student.backbone.encode(list(inputs))
        outputs: NDArray[Any] = probe(torch.from_numpy(forward_all(student, encoded).features)).numpy()
        return outputs

    size = 4 * student.size()
    return _measured(
        problem, "frozen student", "a linear probe on the student as it is before training", predict, size, started
    )


def _measured(
    problem: Problem, name: str, what: str, predict: Callable[[Sequence[Any]], NDArray[Any]], size: int, started: float
) -> Baseline:
    seconds = time.monotonic() - started
    targets, inputs = problem.targets, [problem.dataset.inputs[i] for i in problem.splits.test.tolist()]
    losses = sample_losses(targets, predictions_of(targets, predict(inputs)), problem.test_labels)
    root = targets.kind == "regression"
    low, high = np.quantile(draw(losses[None, None], root=root)[0], [0.025, 0.975])
    return Baseline(
        name=name, what=what, error=error_of(losses[None], root=root), low=float(low), high=float(high), bytes=size,
        latency_ms=latency(predict, inputs[:TIMED], repeats=3), throughput=throughput(predict, inputs[:BATCH]),
        seconds=seconds,
    )  # fmt: skip
