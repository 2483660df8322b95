import numpy as np
import pytest

from aft.data import Targets
from aft.errors import DataError
from aft.evaluation import calibrated_loss, measure, paired_difference


def test_metrics_by_hand():
    targets = Targets("classification", ("a", "b"))
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]])
    metrics = measure(targets, logits, np.array([0, 1, 1, 1]))
    assert metrics.error == pytest.approx(0.25)
    assert metrics.values["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    expected = np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(-1)), np.log1p(np.exp(3)), np.log1p(np.exp(-0.5))])
    assert metrics.values["log_loss"] == pytest.approx(expected)
    with pytest.raises(DataError, match="need labelled samples"):
        measure(targets, logits[:0], np.array([], dtype=int))


def test_regression_is_measured_in_the_labels_units():
    targets = Targets("regression", mean=10.0, scale=2.0)
    metrics = measure(targets, np.array([[0.0], [1.0], [-1.0]]), np.array([0.5, 1.0, -1.0]))
    assert metrics.error == pytest.approx(np.sqrt(1 / 3))
    assert metrics.values["spearman"] == pytest.approx(1.0)


def test_the_calibrated_loss_ignores_overconfidence():
    targets = Targets("classification", ("a", "b"))
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 400)
    logits = np.stack([-(truth - 0.5), truth - 0.5], 1) + generator.standard_normal((400, 2))
    mild, strong = calibrated_loss(targets, logits, truth), calibrated_loss(targets, 8 * logits, truth)
    assert strong == pytest.approx(mild, rel=0.02)
    assert mild < np.log(2)


def test_a_paired_difference_sees_what_an_unpaired_one_would_not():
    generator = np.random.default_rng(0)
    hard = (generator.random(1000) < 0.3).astype(float)
    better = hard.copy()
    better[np.flatnonzero(hard)[:25]] = 0
    one, two = np.tile(hard, (3, 1)), np.tile(better, (3, 1))
    difference = paired_difference(one, two)
    assert difference.mean == pytest.approx(0.025)
    assert 0 < difference.low < difference.high < 0.05
    shuffled = np.stack([generator.permutation(row) for row in one])
    assert paired_difference(one, shuffled).is_noise
