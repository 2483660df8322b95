"""Preprocessing that a user has written."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import ModelError, UsageError
from aft.models import Student, load_backbone
from aft.models._preprocess import apply

FAST = {"method": "finetune", "beta": 0.0, "steps": 4, "progress": False, "batch_size": 8}
V = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)


def module():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU())


@pytest.fixture
def numbers():
    return Dataset.from_arrays(V.copy(), np.where(V[:, 0] > 0, "up", "down").tolist())


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        (lambda v: v.tolist(), "it returned list"),
        (lambda v: (v, v), "it returned tuple"),
        (lambda v: "text", "it returned str"),
        (lambda v: v.astype(object), "it returned ndarray"),
        (lambda v: {"input": {"a": v}}, "it returned dict"),
        (lambda v: v * np.nan, "returned NaN or infinity for input 0"),
    ],
)
def test_what_a_function_must_return(numbers, tmp_path, preprocess, message):
    with pytest.raises(ModelError, match=message):
        aft.train(numbers, module(), preprocess=preprocess, out=tmp_path / "r", **FAST)


@pytest.mark.parametrize(
    "preprocess",
    [
        lambda v: v.astype(np.float64),
        lambda v: v[::-1],
        lambda v: {"input": v},
        lambda v: torch.from_numpy(v).requires_grad_(),
        lambda v: np.asarray(v, dtype=np.float16),
    ],
)
def test_what_a_function_may_return(numbers, tmp_path, preprocess):
    assert aft.train(numbers, module(), preprocess=preprocess, out=tmp_path / "r", **FAST).error is not None


def impossible(values):
    raise ValueError("too small")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("role", ["preprocess", "train_preprocess"])
def test_a_function_that_fails_is_one_sentence(numbers, tmp_path, role, workers):
    with pytest.raises(
        ModelError, match=r"ndarray \(ValueError: too small, in test_preprocess.py, line \d+\)"
    ) as caught:
        aft.train(numbers, module(), **{role: impossible}, workers=workers, out=tmp_path / "r", **FAST)
    assert str(caught.value).startswith(f"{role}= takes every input; it failed on one of the type")
    assert "\n" not in str(caught.value)


class FailsLater:
    """Fails in training, and not where the form of its results is checked."""

    def __init__(self):
        self.parent = os.getpid()

    def __call__(self, values):
        if os.getpid() != self.parent:
            raise ValueError("too small")
        return values


def test_an_error_in_a_worker_is_one_sentence(numbers, tmp_path):
    with pytest.raises(ModelError, match=r"^train_preprocess= takes every input; .*too small") as caught:
        aft.train(numbers, module(), train_preprocess=FailsLater(), workers=1, out=tmp_path / "r", **FAST)
    assert "Traceback" not in str(caught.value)


def test_a_function_that_works_in_place_leaves_the_data_alone(tmp_path):
    def in_place(values):
        values += 1
        return torch.from_numpy(values)

    def noisy(values):
        values += np.random.standard_normal(3).astype(np.float32)  # noqa: NPY002
        return torch.from_numpy(values)

    inputs = V.copy()
    data = Dataset.from_arrays(inputs, np.where(V[:, 0] > 0, "up", "down").tolist())
    aft.train(data, module(), preprocess=in_place, train_preprocess=noisy, out=tmp_path / "r", **FAST)
    assert np.array_equal(inputs, V)


def test_training_and_evaluation_are_preprocessed_to_one_form(numbers, tmp_path):
    with pytest.raises(ModelError, match=r"received \{'input': '\(2,\) float32'\} and \{'input': '\(3,\) float32'\}"):
        aft.train(
            numbers, module(), preprocess=lambda v: v, train_preprocess=lambda v: v[:2], out=tmp_path / "r", **FAST
        )


@pytest.mark.parametrize("argument", ["preprocess", "train_preprocess"])
def test_a_named_student_has_its_own_preprocessing(numbers, tmp_path, argument):
    with pytest.raises(UsageError, match=f"{argument}= belongs to a module that is passed itself"):
        aft.train(
            numbers, "python:tests.training.test_augmentation:factory", out=tmp_path / "r", **FAST,
            **{argument: lambda v: v},
        )  # fmt: skip


def test_the_digest_does_not_depend_on_the_process():
    program = (
        "from aft.models._identity import preprocess_digest\n"
        "def make(words):\n    return lambda text: [word for word in text if word not in words]\n"
        "print(preprocess_digest(make({'the', 'a', 'of', 'and', 'in', 'to'})))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(digests) == 1


class Gate(nn.Module):
    """Its last linear layer is as wide as the task, and is no classifier."""

    def __init__(self):
        super().__init__()
        self.body, self.gate = nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x):
        h = torch.relu(self.body(x))
        return h * self.gate(h).softmax(-1)[:, :1]


class Reversed(nn.Module):
    """Its classifier is registered first."""

    def __init__(self):
        super().__init__()
        self.head, self.body = nn.Linear(8, 2), nn.Linear(3, 8)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


class Heads(nn.Module):
    """Two heads: the first output counts."""

    def __init__(self, first, second):
        super().__init__()
        self.body, self.first, self.second = nn.Linear(3, 8), nn.Linear(8, first), nn.Linear(8, second)

    def forward(self, x):
        h = torch.relu(self.body(x))
        return self.first(h), self.second(h)


def student(made, outputs):
    return Student(load_backbone(made, role="student", example=V[0]), outputs)


def test_the_classifier_is_the_layer_whose_output_is_the_modules():
    gated = student(Gate(), 2)
    assert gated.head is not None
    assert gated.dim == 8
    assert student(Gate(), 1).dim == 8
    reversed_ = student(Reversed(), 2)
    assert reversed_.head is None
    assert reversed_.dim == 8
    first = student(Heads(2, 5), 2)
    assert (first.head, first.dim) == (None, 8)
    for made in (Heads(5, 2), Heads(2, 5)):
        wrong = 2 if made.first.out_features == 5 else 5
        with pytest.raises(
            UsageError, match=f"ends in the linear layer 'first' with {made.first.out_features} outputs"
        ):
            student(made, wrong)


def test_a_run_remembers_its_classifier(numbers, tmp_path):
    run = aft.train(numbers, Reversed(), out=tmp_path / "r", **FAST)
    assert aft.load(run.path, student=Reversed()).logits(V[:5]).shape == (5, 2)
    run = aft.train(numbers, Gate(), out=tmp_path / "g", **FAST)
    model = aft.load(run.path, student=Gate())
    assert model.logits(V[:5]).shape == (5, 2)
    with pytest.raises(aft.errors.DataError, match="pass arrays of that kind in a list"):
        model(V)


def test_an_image_that_is_all_length_is_not_enlarged_as_a_whole():
    import tracemalloc

    from PIL import Image

    from aft.preprocessing import ImagePreprocessing

    images = ImagePreprocessing(size=32)
    tracemalloc.start()
    for size in ((1, 100_000), (100_000, 1), (3, 40)):
        assert images(Image.new("RGB", size, (255, 0, 0))).shape == (3, 32, 32)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_function_for_one_part_of_a_sample_is_told_how_to_get_it():
    with pytest.raises(ModelError, match=r"give a python: model its part of each sample with ',reads=image'"):
        apply(lambda image: image.resize((8, 8)), ("an image", "its text"))
