"""What a comparison concludes."""

import numpy as np
import pytest

from aft.comparison._summary import conclude
from aft.data import Targets
from aft.evaluation import paired_difference
from aft.results import Baseline, Difference, MethodResult

TARGETS = Targets("classification", ("a", "b"))


def result(method, share, seed, plain=None):
    wrong = np.zeros((3, 1000))
    for line in wrong:
        line[np.random.default_rng(seed).permutation(1000)[: int(share * 1000)]] = 1
        seed += 1
    difference = None
    if plain is not None:
        found = paired_difference(wrong, plain)
        difference = Difference(mean=found.mean, low=found.low, high=found.high, noise=found.is_noise)
    return MethodResult(method=method, mean=wrong.mean(), difference=difference), wrong


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.30, "does not differ from fine-tuning beyond noise"),
        (0.20, "lowers the error by 10.0"),
        (0.40, "raises the error by 10.0"),
    ],
)
def test_differences_within_noise_are_called_so(share, words):
    plain, wrong = result("finetune", 0.30, 0)
    other, _ = result("aft", share, 10, wrong)
    assert words in conclude([plain, other], 0.1, TARGETS)[0]


def test_methods_that_chose_beta_zero_are_fine_tuning():
    plain, _ = result("finetune", 0.30, 0)
    same = plain.model_copy(update={"method": "aft", "same_as_finetune": True})
    assert "plain fine-tuning here" in conclude([plain, same], None, TARGETS)[0]


def test_a_probe_that_is_no_better_is_mentioned():
    plain, _ = result("finetune", 0.30, 0)
    assert "no better than fine-tuning" in conclude([plain], 0.31, TARGETS)[0]
    assert conclude([plain], 0.29, TARGETS) == ()


@pytest.mark.parametrize(
    ("error", "high", "expected"),
    [
        (0.30, 0.32, "Do not train this student: TF-IDF has an error of 30.0 %, the best student (aft) 40.0 %."),
        (0.38, 0.41, "TF-IDF is about as good as the best student (aft), 38.0 % against 40.0 %, and needs no student."),
        (
            0.41,
            0.44,
            "The best student (aft) has an error of 40.0 %, the best baseline (TF-IDF) 41.0 %; the difference may be noise.",
        ),
        (
            0.48,
            0.51,
            "The best student (aft) has an error of 40.0 %, the best baseline (TF-IDF) 48.0 %.",
        ),
    ],
)
def test_the_best_student_is_set_beside_the_best_baseline_first(error, high, expected):
    plain, wrong = result("finetune", 0.50, 0)
    other, _ = result("aft", 0.40, 10, wrong)
    baseline = Baseline(name="TF-IDF", error=error, low=error - 0.03, high=high)
    first = conclude([plain, other], 0.1, TARGETS, [baseline])[0]
    assert first == expected
