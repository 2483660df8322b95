"""Unlabelled validation samples, whose labels the teachers' probe predicts."""

from dataclasses import replace

import numpy as np
import pytest

import aft
from aft.data import Dataset
from aft.evaluation import calibrated_loss
from aft.models import forward_all
from aft.runs import HParams, TrainConfig, Trial
from aft.training import Problem, SearchSpace, TrialRequest, run_trial, search
from aft.training._soft_validation import MOST, hold_out_unlabelled
from tests.conftest import sentences

STUDENT = "aft:static,width=8,hidden=8,vocabulary=200"


def build(dataset, store, **settings):
    return Problem.build(dataset, STUDENT, [store] if store is not None else [], TrainConfig(batch_size=16, **settings))


@pytest.fixture
def half():
    """The task with half of its labels."""
    rows = sentences(200)
    labels = [None if n % 2 else label for n, (_, _, label) in enumerate(rows)]
    return Dataset.from_arrays([text for _, text, _ in rows], labels, ids=[name for name, _, _ in rows])


@pytest.fixture
def store(half, tmp_path):
    return aft.extract(half, "python:tests.conftest:bag_of_letters", name="bag", out=tmp_path / "f", progress=False)


def test_the_search_does_not_train_on_them_and_the_final_training_does(half, store):
    problem = build(half, store)
    held = problem.unlabelled_validation
    assert len(held) >= 10
    assert not problem.samples.labelled[held].any()
    assert not np.isin(held, problem.search_train).any()
    assert np.isin(held, problem.train).all()
    assert not len(build(half, None).unlabelled_validation)


def test_the_choice_depends_on_the_samples_and_not_on_their_order():
    texts = [f"text {n}" for n in range(100)]
    labelled, train = np.zeros(100, dtype=bool), np.arange(100)
    chosen = []
    for order in (np.arange(100), np.random.default_rng(0).permutation(100)):
        data = Dataset.from_arrays([texts[n] for n in order])
        held = hold_out_unlabelled(data, labelled, train, fraction=0.2, seed=0)
        chosen.append({data.inputs[n] for n in held.tolist()})
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 20
    data = Dataset.from_arrays(texts[:40])
    assert not len(hold_out_unlabelled(data, labelled[:40], train[:40], fraction=0.2, seed=0))
    many = Dataset.from_arrays([f"text {n}" for n in range(20_000)])
    held = hold_out_unlabelled(many, np.zeros(20_000, dtype=bool), np.arange(20_000), fraction=0.2, seed=0)
    assert len(held) == MOST


def test_the_pooled_loss_is_that_of_labels_and_probabilities(half, store):
    problem = build(half, store)
    trial = run_trial(problem, TrialRequest("finetune", HParams(0.02, 10, 0.0)))
    student = problem.students.new(0)
    soft = problem._soft_validation
    logits = [forward_all(student, problem.samples.encoded(part.tolist())).logits for part in (problem.validation, problem.unlabelled_validation)]  # fmt: skip
    labels = problem.samples.labels[problem.validation]
    assert np.array_equal(soft.labels[: len(labels)], np.eye(2)[labels])
    assert np.allclose(soft.labels.sum(axis=1), 1)
    scales = np.geomspace(0.05, 5, 47)
    both = np.concatenate(logits).astype(float)
    losses = [-(soft.labels * (s * both - np.log(np.exp(s * both).sum(axis=1, keepdims=True)))).sum(axis=1).mean() for s in scales]  # fmt: skip
    assert problem.measure_search(student)[2] == pytest.approx(min(losses))
    assert trial.pooled_score == trial.pooled_loss != trial.loss


def test_validation_labels_do_not_reach_the_probe(half, store):
    problem = build(half, store)
    before = problem._soft_validation
    flipped = build(half, store)
    flipped.samples.labels[flipped.validation] = 1 - flipped.samples.labels[flipped.validation]
    after = flipped._soft_validation
    count = len(problem.validation)
    assert np.array_equal(before.labels[count:], after.labels[count:])
    assert not np.array_equal(before.labels[:count], after.labels[:count])


def test_probabilities_and_classes_have_one_loss(half, store):
    targets, labels = build(half, store).targets, np.array([0, 1, 1])
    logits = np.random.default_rng(0).standard_normal((3, 2))
    assert calibrated_loss(targets, logits, labels) == pytest.approx(
        calibrated_loss(targets, logits, np.eye(2)[labels])
    )


@pytest.mark.parametrize(("probe_loss", "expected"), [(None, 0.0), (0.9, 0.0), (0.3, 3.0)])
def test_the_probes_labels_count_if_it_beats_fine_tuning(probe_loss, expected):
    space = SearchSpace(1e-3, 0.01, 100, 100, fixed_lr=True, probe_loss=probe_loss)
    searching, trials = search(["aft"], space), None
    while True:
        try:
            requests = next(searching) if trials is None else searching.send(trials)
        except StopIteration as end:
            assert end.value.chosen["aft"].beta == expected
            return
        plain = Trial("finetune", requests[0].hparams, 0.5, 0.2, None, 1.0, pooled_loss=0.6)
        trials = [
            replace(plain, method=r.method, hparams=r.hparams, loss=0.5 + 0.01 * (r.hparams.beta > 0),
                    pooled_loss=0.6 - 0.1 * (r.hparams.beta > 0) + 0.01 * abs(r.hparams.beta - 3.0))
            for r in requests
        ]  # fmt: skip
