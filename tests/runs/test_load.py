"""Loading a run of a module: the module and its preprocessing must be those that were trained."""

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import RunError

FAST = {"method": "finetune", "beta": 0.0, "steps": 5, "progress": False}


def halved(values):
    return torch.from_numpy(values) / 2


def doubled(values):
    return torch.from_numpy(values) * 2


class Wide(nn.Linear):
    """Another class with equal weights."""


@pytest.fixture
def numbers():
    values = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    return Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())


def test_the_preprocessing_must_be_that_of_the_training(numbers, tmp_path):
    run = aft.train(numbers, nn.Linear(3, 4), preprocess=halved, out=tmp_path / "r", **FAST)
    inputs = [numbers.inputs[n] for n in range(5)]
    assert len(aft.load(run.path, student=nn.Linear(3, 4), preprocess=halved).predict(inputs)) == 5
    for other in (doubled, None):
        with pytest.raises(RunError, match="pass the preprocess= that it was trained with"):
            aft.load(run.path, student=nn.Linear(3, 4), preprocess=other)


def test_a_module_of_another_class_is_rejected(numbers, tmp_path):
    run = aft.train(numbers, nn.Linear(3, 4), out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="received student= of the class Wide, and the run trained a Linear"):
        aft.load(run.path, student=Wide(3, 4))


def test_a_module_of_another_shape_is_rejected(numbers, tmp_path):
    run = aft.train(numbers, nn.Linear(3, 4), out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="does not fit the student"):
        aft.load(run.path, student=nn.Linear(3, 5))


def test_changed_code_of_a_factory_is_mentioned(dataset, tmp_path, caplog, monkeypatch):
    name = "python:tests.conftest:bag_of_letters"
    run = aft.train(dataset, name, out=tmp_path / "r", **FAST)
    aft.load(run.path, student=name)
    assert "has changed" not in caplog.text
    monkeypatch.setattr("tests.conftest.letters", lambda text: torch.zeros(26))
    aft.load(run.path, student=name)
    assert "has changed since the run was trained" in caplog.text
