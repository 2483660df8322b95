"""Loading a run of a module: the module and its preprocessing must be those that were trained."""

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import DataError, RunError, UsageError

FAST = {"method": "finetune", "beta": 0.0, "steps": 5, "progress": False}


def halved(values):
    return torch.from_numpy(values) / 2


def doubled(values):
    return torch.from_numpy(values) * 2


class Net(nn.Sequential):
    """A module whose output is features."""

    def __init__(self, inputs, width):
        super().__init__(nn.Linear(inputs, width), nn.ReLU())


class Wide(Net):
    """Another class with equal weights."""


@pytest.fixture
def numbers():
    values = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    return Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())


def test_the_preprocessing_must_be_that_of_the_training(numbers, tmp_path):
    run = aft.train(numbers, Net(3, 4), preprocess=halved, out=tmp_path / "r", **FAST)
    inputs = [numbers.inputs[n] for n in range(5)]
    assert len(aft.load(run.path, student=Net(3, 4), preprocess=halved).predict(inputs)) == 5
    for other in (doubled, None):
        with pytest.raises(RunError, match="pass the preprocess= that it was trained with"):
            aft.load(run.path, student=Net(3, 4), preprocess=other)


def test_a_module_of_another_class_is_rejected(numbers, tmp_path):
    run = aft.train(numbers, Net(3, 4), out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="received student= of the class Wide, and the run trained a Net"):
        aft.load(run.path, student=Wide(3, 4))


def test_a_module_of_another_shape_is_rejected(numbers, tmp_path):
    run = aft.train(numbers, Net(3, 4), out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="the layers of student= differ"):
        aft.load(run.path, student=Net(3, 5))


def test_changed_code_of_a_factory_is_mentioned(dataset, tmp_path, caplog, monkeypatch):
    name = "python:tests.conftest:bag_of_letters"
    run = aft.train(dataset, name, out=tmp_path / "r", **FAST)
    aft.load(run.path, student=name)
    assert "has changed" not in caplog.text
    monkeypatch.setattr("tests.conftest.letters", lambda text: torch.zeros(26))
    aft.load(run.path, student=name)
    assert "has changed since the run was trained" in caplog.text


@pytest.fixture
def polarity(dataset, tmp_path):
    run = aft.train(dataset, "aft:static,width=8,hidden=8,vocabulary=200", out=tmp_path / "r", **FAST)
    return aft.load(run.path)


def test_a_model_predicts_one_input_or_many(polarity):
    one = polarity("a lovely film")
    assert isinstance(one, aft.Prediction)
    many = polarity(["a lovely film"] * 3)
    assert [p.label for p in many] == [one.label] * 3
    last = polarity.predict(f"film {n}" for n in range(2100))[-1]
    assert last.confidence == pytest.approx(polarity("film 2099").confidence)
    assert polarity.predict([]) == []


def test_the_student_can_be_called_with_a_batch(polarity):
    with torch.inference_mode():
        logits, features = polarity.student(polarity.batch(["a lovely film", "dull"]))
    assert logits.numpy() == pytest.approx(polarity.logits(["a lovely film", "dull"]), abs=1e-6)
    assert features.shape == (2, polarity.student.backbone.dim)


def test_predictions_in_half_precision_are_nearly_the_same(polarity, dataset, tmp_path):
    run = tmp_path / "r"
    half = aft.load(run, precision="bf16")
    texts = ["a lovely film", "a dull film", "neither of them"]
    received, expected = half.logits(texts), polarity.logits(texts)
    assert received.dtype == np.float32
    assert not np.array_equal(received, expected)
    assert received == pytest.approx(expected, abs=0.05)
    assert aft.evaluate(run, dataset, on="all", precision="bf16").samples == 90
    with pytest.raises(UsageError, match="unknown precision 'bf61'; did you mean 'bf16'"):
        aft.load(run, precision="bf61")


def test_inputs_of_another_kind_are_rejected(polarity):
    with pytest.raises(DataError, match="received str; put the input into a list"):
        polarity.predict("a lovely film")
    with pytest.raises(DataError, match="of the modality text; input 1 cannot be used: it is of the modality pair"):
        polarity.predict(["fine", ("a", "b")])
    with pytest.raises(DataError, match="input 1 cannot be used: the text is empty"):
        polarity.predict(["fine", " "])
    with pytest.raises(DataError, match="input 2100 cannot be used"):
        polarity.predict([*(f"film {n}" for n in range(2100)), 3])


def test_a_model_predicts_pictures_and_their_paths(pictures, tmp_path):
    data = Dataset.from_folder(pictures)
    run = aft.train(data, nn.Sequential(nn.Flatten(), nn.Linear(360, 2)), out=tmp_path / "r", **FAST)
    model = aft.load(run.path, student=nn.Sequential(nn.Flatten(), nn.Linear(360, 2)))
    path = pictures / data.ids[0]
    for same in (model(data.inputs[0]), model.predict(data.inputs)[0]):
        assert same.confidence == pytest.approx(model(path).confidence, abs=1e-5)
    with pytest.raises(DataError, match="the image file 'nowhere.png' cannot be read"):
        model(["nowhere.png"])


def test_a_dataset_is_predicted(numbers, tmp_path):
    run = aft.train(numbers, Net(3, 4), out=tmp_path / "r", **FAST)
    model = aft.load(run, student=Net(3, 4))
    assert model(numbers) == model.predict(numbers) == model.predict([*numbers.inputs])
    for wrong in (numbers.inputs[0], [1.0, 2.0]):
        with pytest.raises(
            DataError, match=r"has the shape \(1,\), and one of the training \(3,\); pass arrays of that kind in"
        ):
            model.predict(wrong)
