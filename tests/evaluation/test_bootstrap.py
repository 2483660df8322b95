"""The paired bootstrap."""

import numpy as np
import pytest

from aft.evaluation import paired_difference


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
