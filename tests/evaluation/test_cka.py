"""CKA against the reference of the objective."""

import numpy as np
import pytest

from aft.errors import UsageError
from aft.evaluation import cka
from tests.objectives import references


@pytest.mark.parametrize("n", [5, 9, 40])
def test_both_ways_of_computing_cka_match_the_reference(n):
    generator = np.random.default_rng(0)
    one, two = generator.standard_normal((n, 7)) + 2, generator.standard_normal((n, 11)) - 5
    two[:, :4] += one[:, :4]
    assert cka(one, two) == pytest.approx(1 - references.cka(one, two), rel=1e-9)
    assert cka(one, 3 * one @ np.linalg.qr(generator.standard_normal((7, 7)))[0] + 1) == pytest.approx(1)


def test_too_few_samples_are_rejected_and_constant_features_give_nan():
    with pytest.raises(UsageError, match="N at least 4"):
        cka(np.zeros((3, 2)), np.zeros((3, 2)))
    assert np.isnan(cka(np.ones((5, 2)), np.random.default_rng(0).standard_normal((5, 2))))
