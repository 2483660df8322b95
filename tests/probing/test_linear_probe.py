"""The solvers of the linear probe against those of scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from aft.probing import FOLDS, _linear_probe, _logistic, fit_folded_probes, fit_linear_probe, sample_keys
from aft.probing._linear_probe import PENALTIES, WEAKER


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def labelled(n=300, width=12):
    x = features(n, width)
    y = (x[:, :3] + 0.1 * features(n, 3, 5)).argmax(1)
    return x, y


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
def test_classification_matches_scikit_learn_in_every_fold(n, d, classes):
    x, scores = problem(n, d, classes)
    y = scores.argmax(1)
    folds = sample_keys(x) % FOLDS
    final, by_fold = fit_folded_probes(x, y, "classification", folds=folds, outputs=classes)
    wide = x.double().numpy()
    halved = 0.5 if classes == 2 else 1.0  # scikit-learn uses one weight per dimension for two classes

    def logistic(x, y, penalty):
        return regression(x, y, halved * penalty)

    losses = []
    for penalty in PENALTIES:
        loss = 0.0
        for fold in range(FOLDS):
            inside = (folds != fold).numpy()
            probabilities = logistic(wide[inside], y[inside].numpy(), penalty)(wide[~inside])
            loss -= np.log(probabilities[np.arange(len(probabilities)), y[~inside].numpy()]).sum()
        losses.append(loss)
    assert final.penalty == PENALTIES[int(np.argmin(losses))]
    assert np.allclose(final(x).softmax(1), logistic(wide, y.numpy(), final.penalty)(wide), atol=2e-4)
    inside = (folds != 2).numpy()
    received = by_fold[2](x).softmax(1)
    assert np.allclose(received, logistic(wide[inside], y[inside].numpy(), final.penalty)(wide), atol=2e-4)
    alone = fit_linear_probe(x, y, "classification", folds=folds)
    assert torch.allclose(alone.weight, final.weight, atol=1e-5)


def test_the_path_goes_on_while_the_best_is_at_its_end():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 10, generator=generator, dtype=torch.float64)
    scores = x @ torch.randn(10, 3, generator=generator, dtype=torch.float64)
    # Without noise, hardly any penalty is the best; with noise, the best is not at the end.
    assert fit_linear_probe(x, scores, "regression").penalty == WEAKER[-1]
    assert fit_linear_probe(x, scores.argmax(1), "classification").penalty == WEAKER[-1]
    noisy = scores + 9 * torch.randn(300, 3, generator=generator, dtype=torch.float64)
    assert fit_linear_probe(x, noisy, "regression").penalty in PENALTIES[1:-1]
    assert fit_linear_probe(x, noisy.argmax(1), "classification").penalty in PENALTIES[1:-1]


@pytest.mark.parametrize(("n", "d"), [(200, 15), (30, 60)])
def test_regression_matches_scikit_learn(n, d):
    x, scores = problem(n, d, 2)
    probe = fit_linear_probe(x, scores, "regression")
    scaler = StandardScaler().fit(x.double().numpy())
    standard = scaler.transform(x.double().numpy())
    model = Ridge(alpha=probe.penalty * n).fit(standard, scores.double().numpy())
    assert np.allclose(probe(x), model.predict(standard), atol=1e-8)


def test_multilabel_is_one_binary_problem_per_column():
    x, scores = problem(300, 10, 3)
    y = (scores > 0).float()
    probe = fit_linear_probe(x, y, "multilabel")
    for column in range(3):  # the loss averages over columns, so the penalty of each is three times as strong
        probabilities = regression(x.double().numpy(), y[:, column].numpy(), 3 * probe.penalty)(x.double().numpy())[
            :, 1
        ]
        assert np.allclose(torch.sigmoid(probe(x))[:, column], probabilities, atol=2e-4)


def test_float32_and_chunked_solutions_agree_with_the_default(monkeypatch):
    x, scores = problem(300, 20, 3)
    y = scores.argmax(1)
    expected = fit_linear_probe(x, y, "classification")
    monkeypatch.setattr(_logistic, "MAX_OUTPUTS", 2000)
    assert torch.allclose(fit_linear_probe(x, y, "classification").weight, expected.weight, atol=1e-5)
    monkeypatch.setattr(_linear_probe, "FLOAT64_LIMIT", 0)
    received = fit_linear_probe(x, y, "classification")
    assert received.weight.dtype == torch.float32
    assert float((received(x).softmax(1) - expected(x).softmax(1)).abs().max()) < 1e-3


def test_a_matrix_that_lapack_cannot_decompose_in_float32_is_decomposed_in_float64(monkeypatch):
    x, scores = problem(60, 100, 3)
    y = scores.argmax(1)
    monkeypatch.setattr(_linear_probe, "FLOAT64_LIMIT", 0)
    expected = fit_linear_probe(x, y, "classification")
    decompose = torch.linalg.eigh

    def only_wide(matrix):
        if matrix.dtype == torch.float32:
            raise torch.linalg.LinAlgError("the algorithm failed to converge")
        return decompose(matrix)

    monkeypatch.setattr(torch.linalg, "eigh", only_wide)
    received = fit_linear_probe(x, y, "classification")
    assert torch.allclose(received.weight, expected.weight, atol=1e-4)


def test_separable_and_missing_classes_give_finite_probes():
    x, scores = problem(100, 8, 2)
    y = scores.argmax(1)
    x[:, 0] += 50 * y
    probe = fit_linear_probe(x, y, "classification", outputs=4)
    assert probe.weight.shape == (4, 8)
    assert float((probe(x).argmax(1) == y).float().mean()) == 1
    assert torch.isfinite(fit_linear_probe(x[:2], y[:2], "classification", outputs=2).weight).all()
    assert torch.isfinite(fit_linear_probe(x, torch.zeros(100, dtype=torch.long), "classification").weight).all()


def test_sample_keys_do_not_depend_on_batch_or_precision():
    x = features(50, 33).half()
    keys = sample_keys(x)
    assert torch.equal(keys[10:20], sample_keys(x[10:20].float()))
    assert len(keys.unique()) == 50
    assert torch.equal(sample_keys(x[[3, 3]]), keys[[3, 3]])
    folds = torch.bincount(sample_keys(features(5000, 8)) % 5)
    assert folds.min() > 900


def test_the_probe_learns_a_linear_task_and_regularises_noise():
    x, y = labelled(600)
    probe = fit_linear_probe(x[:400], y[:400], "classification")
    assert float((probe(x[400:]).argmax(1) == y[400:]).float().mean()) > 0.85
    noise = fit_linear_probe(features(60, 200), torch.randint(0, 2, (60,)), "classification")
    assert noise.penalty >= 0.1
    values = x @ features(12, 1, 9)
    regression = fit_linear_probe(x[:400], values[:400, 0], "regression")
    assert float((regression(x[400:]) - values[400:]).square().mean()) < 1e-3
    multi = fit_linear_probe(x[:400], (x[:400, :3] > 0).float(), "multilabel")
    assert float(((multi(x[400:]) > 0) == (x[400:, :3] > 0)).float().mean()) > 0.9


def test_the_probe_ignores_a_constant_dimension():
    x, y = labelled()
    with_constant = torch.cat([x, torch.full((len(x), 1), 3.0)], 1)
    probe = fit_linear_probe(with_constant, y, "classification")
    assert torch.isfinite(probe.weight).all()
    assert float(probe.weight[:, -1].abs().max()) == 0
