"""How the data was read is shown before training."""

import numpy as np
import pytest
from torch import nn

import aft
from aft.data import Dataset
from aft.runs import TrainConfig
from aft.training import Problem, overview

STUDENT = "aft:static,width=8,hidden=8,vocabulary=200"


def lines(dataset, student=STUDENT, stores=(), **settings):
    return {
        line[:9].strip(): line[10:]
        for line in overview(Problem.build(dataset, student, stores, TrainConfig(**settings)), "nothing")
    }


def test_everything_about_the_data_is_shown(dataset, store):
    shown = lines(dataset, stores=[store])
    assert shown["data"].endswith("reviews.csv (text=sentence, label=label, id=id)")
    assert shown["task"].startswith("classification, since labels are not numbers; 2 classes: ")
    assert shown["samples"] == (
        "72 labelled and 30 unlabelled for training, 14 of the labelled ones for validation, 18 for testing"
    )
    assert shown["student"].startswith(f"{STUDENT}, ")
    assert shown["teachers"] == "letters (26 dimensions)"
    assert "skipped" not in shown


@pytest.mark.parametrize(
    ("labels", "settings", "expected"),
    [
        ([n % 25 for n in range(200)], {}, "classification, since labels are integers; the task 'regression' would"),
        ([n % 25 for n in range(200)], {"task": "regression"}, "regression, as given; labels from 0 to 24"),
        (
            [n / 2 for n in range(200)],
            {},
            "regression, since labels have fractions or are of type float; labels from 0 to ",
        ),
        (
            [("a",) if n % 2 else ("a", "b") for n in range(200)],
            {},
            "multilabel, since labels are lists; 2 classes: a ",
        ),
    ],
)
def test_the_task_is_shown_with_its_reason(labels, settings, expected):
    values = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    shown = lines(Dataset.from_arrays(values, labels), nn.Sequential(nn.Linear(3, 4), nn.ReLU()), **settings)
    assert shown["task"].startswith(expected)
    if "25" in expected:
        assert shown["task"].endswith("and 5 more")


def test_skipped_samples_are_counted_with_their_reason(pictures):
    (pictures / "red" / "03.png").write_bytes(b"nonsense")
    dataset = Dataset.from_folder(pictures, bad_inputs="skip")
    shown = lines(dataset, nn.Sequential(nn.Flatten(), nn.Linear(360, 4), nn.ReLU()))
    assert shown["task"].startswith("classification, since folders are classes; 2 classes: ")
    assert shown["skipped"].startswith("1 samples, 'red/03.png': 1 x the image cannot be decoded")


def test_training_and_comparison_show_it(dataset, store, tmp_path, caplog):
    caplog.set_level("INFO", logger="aft")
    aft.train(dataset, STUDENT, out=tmp_path / "r", method="finetune", beta=0, steps=5, progress=False)
    assert caplog.text.count("since labels are not numbers") == 1
    aft.compare(
        dataset, STUDENT, store, methods=["kd"], seeds=1, beta=1.0, steps=5, lr=1e-3, weight_decay=0.0, processes=1,
        out=tmp_path / "c", progress=False,
    )  # fmt: skip
    assert caplog.text.count("since labels are not numbers") == 2
