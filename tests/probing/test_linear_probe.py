"""The probe's solvers against scikit-learn's, which share nothing with them."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from aft.probing import _solver, fit_linear_probe
from aft.probing._linear_probe import FOLDS, PENALTIES, fit_folded_probes, sample_keys


def problem(n, d, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator) * torch.logspace(0, -2, d) + 3
    scores = (x - 3) @ torch.randn(d, classes, generator=generator)
    return x, scores + 0.5 * torch.randn(n, classes, generator=generator)


def regression(x, y, penalty):
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-10, max_iter=10_000)
    model.fit(scaler.transform(x), y)
    return lambda new: model.predict_proba(scaler.transform(new))


@pytest.mark.parametrize(("n", "d", "classes"), [(300, 20, 3), (300, 20, 2), (40, 90, 4)])
def test_classification_is_that_of_scikit_learn_in_every_fold(n, d, classes):
    x, scores = problem(n, d, classes)
    y = scores.argmax(1)
    folds = sample_keys(x) % FOLDS
    final, by_fold = fit_folded_probes(x, y, "classification", folds=folds, outputs=classes)
    wide = x.double().numpy()
    halved = 0.5 if classes == 2 else 1.0  # scikit-learn then has one weight a dimension, not two opposite ones

    def logistic(x, y, penalty):
        return regression(x, y, halved * penalty)

    losses = []
    for penalty in PENALTIES:
        loss = 0.0
        for fold in range(FOLDS):
            inside = (folds != fold).numpy()
            chances = logistic(wide[inside], y[inside].numpy(), penalty)(wide[~inside])
            loss -= np.log(chances[np.arange(len(chances)), y[~inside].numpy()]).sum()
        losses.append(loss)
    assert final.penalty == PENALTIES[int(np.argmin(losses))]
    assert np.allclose(final(x).softmax(1), logistic(wide, y.numpy(), final.penalty)(wide), atol=2e-4)
    inside = (folds != 2).numpy()
    received = by_fold[2](x).softmax(1)
    assert np.allclose(received, logistic(wide[inside], y[inside].numpy(), final.penalty)(wide), atol=2e-4)
    alone = fit_linear_probe(x, y, "classification", folds=folds)
    assert torch.allclose(alone.weight, final.weight, atol=1e-5)


@pytest.mark.parametrize(("n", "d"), [(200, 15), (30, 60)])
def test_regression_is_that_of_scikit_learn(n, d):
    x, scores = problem(n, d, 2)
    probe = fit_linear_probe(x, scores, "regression")
    scaler = StandardScaler().fit(x.double().numpy())
    standard = scaler.transform(x.double().numpy())
    model = Ridge(alpha=probe.penalty * n).fit(standard, scores.double().numpy())
    assert np.allclose(probe(x), model.predict(standard), atol=1e-8)


def test_multilabel_is_a_binary_problem_a_column():
    x, scores = problem(300, 10, 3)
    y = (scores > 0).float()
    probe = fit_linear_probe(x, y, "multilabel")
    for column in range(3):  # the loss is the mean over columns: the penalty of one is three times as strong
        chances = regression(x.double().numpy(), y[:, column].numpy(), 3 * probe.penalty)(x.double().numpy())[:, 1]
        assert np.allclose(torch.sigmoid(probe(x))[:, column], chances, atol=2e-4)


def test_large_problems_in_float32_and_a_few_at_a_time_agree(monkeypatch):
    x, scores = problem(300, 20, 3)
    y = scores.argmax(1)
    expected = fit_linear_probe(x, y, "classification")
    monkeypatch.setattr(_probe_solver, "OUTPUTS", 2000)
    assert torch.allclose(fit_linear_probe(x, y, "classification").weight, expected.weight, atol=1e-5)
    monkeypatch.setattr("aft.objectives._probe.WIDE", 0)
    received = fit_linear_probe(x, y, "classification")
    assert received.weight.dtype == torch.float32
    assert float((received(x).softmax(1) - expected(x).softmax(1)).abs().max()) < 1e-3


def test_classes_that_separate_and_classes_that_are_missing():
    x, scores = problem(100, 8, 2)
    y = scores.argmax(1)
    x[:, 0] += 50 * y
    probe = fit_linear_probe(x, y, "classification", outputs=4)
    assert probe.weight.shape == (4, 8)
    assert float((probe(x).argmax(1) == y).float().mean()) == 1
    assert torch.isfinite(fit_linear_probe(x[:2], y[:2], "classification", outputs=2).weight).all()
    assert torch.isfinite(fit_linear_probe(x, torch.zeros(100, dtype=torch.long), "classification").weight).all()
