"""LogME against a slow reference."""

import numpy as np
import pytest
import torch

from aft.errors import UsageError
from aft.probing import fit_logme
from tests.objectives import references


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def labels(n, classes=3):
    return torch.arange(n) % classes


@pytest.mark.parametrize(("n", "d"), [(40, 9), (9, 40), (12, 12)])
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_evidence_and_means_match_the_reference(n, d, task):
    # For (12, 12) and (9, 40) the features can explain everything; the log-determinant needs all D dimensions.
    x = features(n, d).double() + 0.5
    y = {"classification": labels(n), "multilabel": (features(n, 3, 4) > 0).float(), "regression": features(n, 2, 4)}[
        task
    ]
    columns = np.eye(3)[y.numpy()] if task == "classification" else y.double().numpy()
    received = fit_logme(x, y, task)
    expected = [references.logme(x.numpy(), column) for column in columns.T]
    assert received.evidence == pytest.approx(np.mean([score for score, _ in expected]), rel=1e-8)
    assert received.means.dtype == torch.float64
    assert np.allclose(received.means.numpy(), [mean for _, mean in expected], rtol=1e-7, atol=1e-10)


def test_low_rank_features_and_a_single_target_column():
    x = (features(50, 3).double() @ features(3, 8, 1).double()).double()
    score, mean = references.logme(x.numpy(), x[:, 0].numpy() + features(50, 1, 2)[:, 0].double().numpy())
    received = fit_logme(x, x[:, 0] + features(50, 1, 2)[:, 0].double(), "regression")
    assert received.evidence == pytest.approx(score, rel=1e-8)
    assert np.allclose(received.means[0].numpy(), mean, atol=1e-8)
    assert np.isfinite(fit_logme(torch.zeros(6, 4), labels(6), "classification").evidence)


def test_informative_features_have_a_higher_score():
    y = labels(200)
    good = torch.nn.functional.one_hot(y).float() @ features(3, 16, 1) + 0.1 * features(200, 16, 2)
    assert (
        fit_logme(good, y, "classification").evidence > fit_logme(features(200, 16), y, "classification").evidence + 0.5
    )


def test_a_class_without_samples_does_not_change_the_score():
    x, y = features(40, 6), labels(40, 2) * 2  # of the classes 0 to 3 only 0 and 2 occur
    some, none = fit_logme(x, y, "classification", outputs=4), fit_logme(x, labels(40, 2), "classification")
    assert some.evidence == pytest.approx(none.evidence)
    assert some.means.shape == (4, 6)
    assert torch.equal(some.means[[1, 3]], torch.zeros(2, 6, dtype=torch.float64))


def test_invalid_features_and_targets_are_rejected():
    with pytest.raises(UsageError, match="finite features"):
        fit_logme(torch.full((3, 2), torch.nan), labels(3), "classification")
    with pytest.raises(UsageError, match="a target for each"):
        fit_logme(torch.zeros(3, 2), labels(4), "classification")
