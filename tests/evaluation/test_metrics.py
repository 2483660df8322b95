"""Metrics against hand computation and scikit-learn."""

import numpy as np
import pytest

from aft.data import Targets
from aft.errors import DataError, UsageError
from aft.evaluation import calibrated_loss, confusion, measure


def test_classification_metrics_match_hand_computation():
    targets = Targets("classification", ("a", "b"))
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]])
    metrics = measure(targets, logits, np.array([0, 1, 1, 1]))
    assert metrics.error == pytest.approx(0.25)
    assert metrics.values["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics.values["balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    # one true and one false a, two true and no false b
    assert metrics.values["matthews"] == pytest.approx((1 * 2 - 1 * 0) / np.sqrt((1 + 1) * (1 + 0) * (2 + 1) * (2 + 0)))
    expected = np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(-1)), np.log1p(np.exp(3)), np.log1p(np.exp(-0.5))])
    assert metrics.values["log_loss"] == pytest.approx(expected)
    with pytest.raises(DataError, match="need labelled samples"):
        measure(targets, logits[:0], np.array([], dtype=int))


def test_ordinal_metrics_count_how_far_off_a_prediction_is():
    targets = Targets("classification", ("1", "2", "3"), ordered=True)
    predicted, truth = [0, 2, 1, 2, 0], [0, 0, 1, 1, 0]
    values = measure(targets, np.eye(3)[predicted], np.array(truth)).values
    assert values["error"] == pytest.approx(2 / 5)
    assert values["mae"] == pytest.approx((2 + 1) / 5)
    # kappa is 1 - squared distances / those of independent draws from both sides
    apart = np.mean([(p - t) ** 2 for p in predicted for t in truth])
    assert values["quadratic_kappa"] == pytest.approx(1 - (4 + 1) / 5 / apart)
    plain = measure(Targets("classification", ("1", "2", "3")), np.eye(3)[predicted], np.array(truth)).values
    assert not {"mae", "quadratic_kappa"} & plain.keys()


def test_regression_metrics_are_in_the_units_of_the_labels():
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


def test_auroc_and_brier_score_match_scikit_learn():
    from sklearn.metrics import brier_score_loss, roc_auc_score

    generator = np.random.default_rng(0)
    targets, truth = Targets("classification", ("a", "b", "c")), generator.integers(0, 3, 200)
    logits = generator.standard_normal((200, 3)) + 1.5 * np.eye(3)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    values = measure(targets, logits, truth).values
    assert values["auroc"] == pytest.approx(roc_auc_score(truth, probabilities, multi_class="ovr", average="macro"))
    each = [brier_score_loss(truth == c, probabilities[:, c]) for c in range(3)]
    assert values["brier"] == pytest.approx(sum(each))
    assert "auroc" not in measure(targets, logits[truth != 2], truth[truth != 2]).values
    two = measure(Targets("classification", ("a", "b")), logits[:, :2], (truth > 0).astype(int)).values
    assert two["auroc"] == pytest.approx(roc_auc_score(truth > 0, logits[:, 1] - logits[:, 0]))
    several = (generator.random((200, 3)) < 0.4).astype(np.float32)
    expected = np.mean([roc_auc_score(several[:, c], logits[:, c]) for c in range(3)])
    assert measure(Targets("multilabel", ("a", "b", "c")), logits, several).values["auroc"] == pytest.approx(expected)


def test_the_calibration_error_matches_hand_computation():
    def at(probability):
        return [np.log(probability), np.log(1 - probability)]

    # Two samples fall into the bin up to 10/15, one of them wrong; two into the last bin, both right.
    logits = np.array([at(0.62), at(0.66), at(0.95), at(0.97)])
    values = measure(Targets("classification", ("a", "b")), logits, np.array([0, 1, 0, 0])).values
    assert values["ece"] == pytest.approx(0.5 * abs(0.64 - 0.5) + 0.5 * abs(0.96 - 1.0))
    assert values["brier"] == pytest.approx(2 * np.mean([0.38**2, 0.66**2, 0.05**2, 0.03**2]))


def test_rows_of_the_confusion_matrix_are_the_true_classes():
    targets = Targets("classification", ("a", "b", "c"))
    logits = np.eye(3)[[0, 1, 1, 0]]
    assert confusion(targets, logits, np.array([0, 0, 1, 2])).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    with pytest.raises(UsageError, match="needs a classification task"):
        confusion(Targets("regression"), logits, np.zeros(4))
