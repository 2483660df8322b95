import numpy as np
import pytest

from aft.data import Targets
from aft.errors import DataError, UsageError
from aft.evaluation import (
    calibrated_loss,
    cka,
    confusion,
    latency,
    logme,
    measure,
    paired_difference,
    probe_error,
)
from aft.features import Sample, StoreWriter
from tests.objectives import references


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


def test_ranking_and_calibration_are_those_of_scikit_learn():
    from sklearn.metrics import brier_score_loss, roc_auc_score

    generator = np.random.default_rng(0)
    targets, truth = Targets("classification", ("a", "b", "c")), generator.integers(0, 3, 200)
    logits = generator.standard_normal((200, 3)) + 1.5 * np.eye(3)[truth]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    values = measure(targets, logits, truth).values
    assert values["auroc"] == pytest.approx(roc_auc_score(truth, chances, multi_class="ovr", average="macro"))
    each = [brier_score_loss(truth == c, chances[:, c]) for c in range(3)]
    assert values["brier"] == pytest.approx(sum(each))
    assert "auroc" not in measure(targets, logits[truth != 2], truth[truth != 2]).values
    two = measure(Targets("classification", ("a", "b")), logits[:, :2], (truth > 0).astype(int)).values
    assert two["auroc"] == pytest.approx(roc_auc_score(truth > 0, logits[:, 1] - logits[:, 0]))
    several = (generator.random((200, 3)) < 0.4).astype(np.float32)
    expected = np.mean([roc_auc_score(several[:, c], logits[:, c]) for c in range(3)])
    assert measure(Targets("multilabel", ("a", "b", "c")), logits, several).values["auroc"] == pytest.approx(expected)


def test_the_calibration_error_by_hand():
    def at(chance):
        return [np.log(chance), np.log(1 - chance)]

    # Two in the bin up to 10/15, one of them wrong; two in the last one, both right.
    logits = np.array([at(0.62), at(0.66), at(0.95), at(0.97)])
    values = measure(Targets("classification", ("a", "b")), logits, np.array([0, 1, 0, 0])).values
    assert values["ece"] == pytest.approx(0.5 * abs(0.64 - 0.5) + 0.5 * abs(0.96 - 1.0))
    assert values["brier"] == pytest.approx(2 * np.mean([0.38**2, 0.66**2, 0.05**2, 0.03**2]))


def test_confusion_has_the_truth_in_rows():
    targets = Targets("classification", ("a", "b", "c"))
    logits = np.eye(3)[[0, 1, 1, 0]]
    assert confusion(targets, logits, np.array([0, 0, 1, 2])).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    with pytest.raises(UsageError, match="for classification"):
        confusion(Targets("regression"), logits, np.zeros(4))


@pytest.mark.parametrize("n", [5, 9, 40])
def test_alignment_agrees_with_the_reference_both_ways(n):
    generator = np.random.default_rng(0)
    one, two = generator.standard_normal((n, 7)) + 2, generator.standard_normal((n, 11)) - 5
    two[:, :4] += one[:, :4]
    assert cka(one, two) == pytest.approx(1 - references.cka(one, two), rel=1e-9)
    assert cka(one, 3 * one @ np.linalg.qr(generator.standard_normal((7, 7)))[0] + 1) == pytest.approx(1)


def test_alignment_says_what_it_needs():
    with pytest.raises(UsageError, match="N at least 4"):
        cka(np.zeros((3, 2)), np.zeros((3, 2)))
    assert np.isnan(cka(np.ones((5, 2)), np.random.default_rng(0).standard_normal((5, 2))))


def test_latency_is_of_one_sample_at_a_time():
    seen = []
    assert latency(seen.append, [1, 2, 3], repeats=2) > 0
    assert seen == [[1], [1], [2], [3], [1], [2], [3]]


def test_logme_and_the_probe_agree_on_which_teacher_knows_the_task(tmp_path):
    generator = np.random.default_rng(0)
    truth = np.arange(120) % 3
    ids = [f"id{i}" for i in range(120)]
    stores = {}
    for name, signal in (("good", 3.0), ("bad", 0.0)):
        values = generator.standard_normal((120, 8)).astype(np.float32)
        values[:, :3] += signal * np.eye(3)[truth]
        samples = [Sample(i, "") for i in ids]
        writer = StoreWriter.plan(tmp_path / name, name=name, fingerprint={}, dim=8, samples=samples, shard_rows=64)
        for shard in writer.pending():
            writer.commit(shard, values[shard * 64 : (shard + 1) * 64])
        stores[name] = writer.finish()
    # The last class is not among the samples that are fitted on.
    targets = Targets("classification", ("a", "b", "c", "d"))
    train, test = (ids[:90], truth[:90]), (ids[90:], truth[90:])
    errors = {name: probe_error([store], targets, train, test).error for name, store in stores.items()}
    scores = {name: logme([store], targets, train) for name, store in stores.items()}
    assert errors["good"] < errors["bad"] - 0.2
    assert scores["good"] > scores["bad"] + 0.1
    values = stores["good"].take(stores["good"].rows(ids[:90])).astype(np.float64)
    expected = [references.logme(values, (truth[:90] == c).astype(float))[0] for c in range(3)]
    assert scores["good"] == pytest.approx(np.mean(expected))
