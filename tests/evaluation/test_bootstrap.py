"""The paired bootstrap."""

import numpy as np
import pytest

from aft.evaluation import balanced_error_of, draw, error_of, gap_closed, normalised_error, paired_difference


def test_pairing_detects_a_difference_that_unpaired_samples_hide():
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


def test_normalised_error_is_the_ratio_of_mean_errors():
    generator = np.random.default_rng(0)
    plain = (generator.random((5, 400)) < 0.3).astype(float)
    better = plain * (generator.random((5, 400)) < 0.7)
    found = normalised_error([(better, plain, False)])
    assert found.mean == pytest.approx(better.mean() / plain.mean())
    assert found.low < found.mean < found.high < 1
    twice = normalised_error([(better, plain, False), (plain, plain, False)])
    assert twice.mean == pytest.approx((found.mean + 1) / 2)
    assert twice.high - twice.low == pytest.approx((found.high - found.low) / 2, rel=0.1)


def test_root_mean_squares_are_compared_as_such():
    generator = np.random.default_rng(7)
    one, two = generator.random((3, 300)), generator.random((3, 300)) * 4
    assert error_of(one, root=True) == pytest.approx(np.sqrt(one.mean(axis=1)).mean())
    found = paired_difference(one, two, root=True)
    assert found.mean == pytest.approx(error_of(one, root=True) - error_of(two, root=True))
    assert found.low < found.mean < found.high
    # The slow reference: one draw at a time.
    drawn = draw(np.stack([one, two]), root=True, rounds=300)
    slow = []
    for _ in range(300):
        seeds, samples = generator.integers(0, 3, 3), generator.integers(0, 300, 300)
        slow.append(np.sqrt(one[seeds][:, samples].mean(axis=1)).mean())
    assert drawn[0].mean() == pytest.approx(np.mean(slow), abs=0.01)
    assert drawn[0].std() == pytest.approx(np.std(slow), rel=0.25)


def test_every_class_has_the_same_weight_in_the_balanced_error():
    losses = np.array([[0, 0, 0, 1], [0, 1, 0, 0]], dtype=np.float64)
    labels = np.array([2, 2, 2, 0])
    assert balanced_error_of(losses, labels) == pytest.approx(((0 + 1) / 2 + (1 / 3 + 0) / 2) / 2)


def test_a_gap_that_hardly_exists_has_no_share():
    assert gap_closed(0.2, 0.3, 0.1) == pytest.approx(0.5)
    assert gap_closed(0.35, 0.3, 0.1) == pytest.approx(-0.25)
    assert gap_closed(0.05, 0.3, 0.1) == pytest.approx(1.25)
    assert gap_closed(0.2, 0.3, None) is None
    assert gap_closed(0.321, 0.309, 0.307) is None
    assert gap_closed(0.2, 0.3, 0.4) is None
    assert gap_closed(0.0, 0.0, 0.0) is None
