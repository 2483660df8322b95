"""Whitening and separability against independent formulas."""

import numpy as np
import pytest
import torch

from aft.objectives._transforms import separability, whitening


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def shrunk_covariance(x):
    """The covariance with oracle-approximating shrinkage, computed from its formula."""
    n, p = x.shape
    s = np.cov(x.T, bias=True)
    top = (1 - 2 / p) * np.trace(s @ s) + np.trace(s) ** 2
    bottom = (n + 1 - 2 / p) * (np.trace(s @ s) - np.trace(s) ** 2 / p)
    rho = min(top / bottom, 1)
    return (1 - rho) * s + rho * np.trace(s) / p * np.eye(p)


@pytest.mark.parametrize(("n", "d"), [(200, 6), (9, 30)])
def test_whitening_is_the_inverse_square_root_of_the_shrunk_covariance(n, d):
    x = (features(n, d) * torch.linspace(0.1, 5, d)).double() @ features(d, d, 1).double()
    root = whitening(x).double().numpy()
    assert np.allclose(root @ shrunk_covariance(x.numpy()) @ root, np.eye(d), atol=1e-4)
    assert np.allclose(root, root.T, atol=1e-6)


def test_whitening_of_many_samples_gives_unit_variance_in_every_direction():
    x = features(20_000, 4) @ torch.tensor([[3.0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 2]])
    assert np.allclose(np.cov((x @ whitening(x)).numpy().T), np.eye(4), atol=0.02)
    assert torch.isfinite(whitening(torch.ones(5, 3))).all()


def test_separability_for_classification_is_the_correlation_ratio():
    x, y = features(90, 4).double(), torch.arange(90) % 3
    x[:, 1] = y
    x[:, 2] = 1.0
    total = x.numpy().var(axis=0)
    means = np.stack([x.numpy()[y.numpy() == c].mean(axis=0) for c in range(3)])
    between = ((means - x.numpy().mean(axis=0)) ** 2).mean(axis=0)
    expected = np.sqrt(np.divide(between, total, out=np.zeros(4), where=total > 0))
    received = separability(x, y, "classification").numpy()
    assert np.allclose(received, expected, atol=1e-6)
    assert received[1] == pytest.approx(1)
    assert received[2] == 0


def test_separability_for_regression_and_multilabel_is_the_absolute_correlation():
    x, y = features(80, 3), features(80, 1, 5)[:, 0]
    expected = [abs(np.corrcoef(x[:, j].numpy(), y.numpy())[0, 1]) for j in range(3)]
    assert np.allclose(separability(x, y, "regression").numpy(), expected, atol=1e-6)
    several = (features(80, 2, 6) > 0).float()
    each = [[np.corrcoef(x[:, j].numpy(), several[:, k].numpy())[0, 1] ** 2 for k in range(2)] for j in range(3)]
    assert np.allclose(separability(x, several, "multilabel").numpy(), np.sqrt(np.mean(each, axis=1)), atol=1e-6)
    assert separability(x, torch.ones(80, 1), "multilabel").tolist() == [0, 0, 0]
