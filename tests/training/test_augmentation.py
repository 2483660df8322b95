"""The preprocessing for training is called at every use; that for evaluation is deterministic."""

import random
import threading

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.core._threads import ONE_AHEAD
from aft.data import Dataset
from aft.errors import ModelError
from aft.models import weights_digest
from aft.runs import HParams, TrainConfig
from aft.training import Problem, fit
from aft.training._encoded import EncodedDataset
from aft.training._sampler import Step
from tests.training.interruption import interrupted_at

FAST = {"method": "finetune", "beta": 0.0, "steps": 6, "progress": False}
CALLS = []
#: 6 steps of 8 samples, and one to see the form of the result; Lightning fetches one more batch ahead.
PLANNED = (6 * 8 + 1, 7 * 8 + 1)


def plain(values):
    return torch.from_numpy(values)


def noisy(values):
    """Draws from all three generators that augmentations use."""
    CALLS.append(values)
    legacy = torch.from_numpy(np.random.standard_normal(3).astype(np.float32))  # noqa: NPY002
    noise = torch.randn(3) + random.gauss(0, 1) + legacy
    return torch.from_numpy(values) + 0.1 * noise


def flipped(values):
    return torch.from_numpy(values) * (1 if torch.rand(()) < 0.5 else -1)


def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU())


def factory():
    """A python: factory."""
    return module(), plain, noisy


@pytest.fixture
def numbers():
    values = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    return Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())


def test_random_preprocessing_is_rejected(numbers, tmp_path):
    with pytest.raises(ModelError, match="pass random augmentation as train_preprocess="):
        aft.train(numbers, module(), preprocess=flipped, out=tmp_path / "r", **FAST)
    with pytest.raises(ModelError, match="the same result for the same input"):
        aft.extract(numbers, module(), name="t", preprocess=flipped, out=tmp_path / "f", progress=False)


def test_augmentation_is_drawn_at_every_use_and_for_training_alone(numbers, tmp_path):
    CALLS.clear()
    run = aft.train(
        numbers, module(), preprocess=plain, train_preprocess=noisy, batch_size=8, out=tmp_path / "r", **FAST
    )
    calls = len(CALLS)
    assert calls in PLANNED
    model = aft.load(run.path, student=module(), preprocess=plain)
    assert np.array_equal(model.logits(numbers.inputs), model.logits(numbers.inputs))
    assert len(CALLS) == calls


def test_augmentation_is_a_function_of_seed_step_and_place(numbers):
    problem = Problem.build(numbers, module(), [], TrainConfig(), preprocess=plain, train_preprocess=noisy)
    samples = problem.samples
    step = Step([3, 1, 3, 2], (0, 7))
    random.seed(1)
    before = random.getstate()
    whole = samples[step]["inputs"]["input"]
    assert random.getstate() == before
    assert not torch.equal(whole[0], whole[2])  # the same sample, drawn twice
    share = samples.batch(step, [1, 3], step.positions)["inputs"]["input"]
    assert torch.equal(share, whole[[1, 3]])
    assert torch.equal(samples[step]["inputs"]["input"], whole)
    assert not torch.equal(samples[Step(step.positions, (0, 8))]["inputs"]["input"], whole)
    assert not torch.equal(samples[Step(step.positions, (1, 7))]["inputs"]["input"], whole)


def test_equal_seeds_give_equal_students_whatever_the_workers(numbers):
    digests = set()
    for workers in (0, 2):
        config = TrainConfig(workers=workers, batch_size=8)
        problem = Problem.build(numbers, module(), [], config, preprocess=plain, train_preprocess=noisy)
        digests.add(weights_digest(fit(problem, HParams(0.01, 6, 0.01), 0, method="finetune").student))
    assert len(digests) == 1


def dropping():
    """A python: factory of a student that draws from torch's random numbers in every step."""
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 8), nn.ReLU()), pixels


def pixels(image):
    return torch.from_numpy(np.asarray(image.resize((12, 12)), dtype=np.float32).transpose(2, 0, 1).copy()) / 255


class Listed:
    """A map-style dataset of pictures."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            return image.convert("RGB"), self.paths[index].parent.name


def clean_pictures(source, workers, *, student="python:tests.training.test_augmentation:dropping", **options):
    config = TrainConfig(augment="clean", batch_size=8, workers=workers)
    return Problem.build(source, student, [], config, **options)


@pytest.fixture
def threads_of_steps(monkeypatch):
    """The threads in which batches are prepared."""
    seen, batch = set(), EncodedDataset.batch

    def noted(self, *arguments):
        seen.add(threading.get_ident())
        return batch(self, *arguments)

    monkeypatch.setattr(EncodedDataset, "batch", noted)
    return seen


def threads_ahead():
    """The running threads that prepare batches; others, as those of a worker's queue, end when they like."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(ONE_AHEAD)]


def test_a_thread_that_decodes_ahead_changes_nothing(pictures, threads_of_steps):
    digests = set()
    for workers in (0, 1):
        problem = clean_pictures(Dataset.from_folder(pictures), workers)
        torch.manual_seed(workers)
        digests.add(weights_digest(fit(problem, HParams(0.01, 6, 0.01), 0, method="finetune").student))
        if not workers:
            assert threads_of_steps
            assert threading.get_ident() not in threads_of_steps
    assert len(digests) == 1
    assert not threads_ahead()


def test_code_of_users_is_not_called_in_a_thread(pictures, threads_of_steps):
    listed = Dataset.from_map(Listed(sorted(pictures.rglob("*.png"))))
    own = {
        "student": dropping()[0],
        "preprocess": pixels,
        "train_preprocess": lambda image: pixels(image) + torch.rand(()),
    }
    for problem in (clean_pictures(listed, 0), clean_pictures(Dataset.from_folder(pictures), 0, **own)):
        fit(problem, HParams(0.01, 6, 0.01), 0, method="finetune")
    assert threads_of_steps == {threading.get_ident()}


def test_a_training_interrupted_while_a_thread_decodes_resumes_to_the_same_student(pictures, tmp_path, monkeypatch):
    settings = {"augment": "clean", "batch_size": 8, "method": "finetune", "beta": 0.0, "steps": 12, "progress": False}
    data, student = Dataset.from_folder(pictures), "python:tests.training.test_augmentation:dropping"
    whole = aft.train(data, student, out=tmp_path / "whole", **settings)
    with interrupted_at(monkeypatch, 7), pytest.raises(KeyboardInterrupt):
        aft.train(data, student, out=tmp_path / "parts", **settings)
    assert not threads_ahead()
    parts = aft.train(data, student, out=tmp_path / "parts", **settings)
    assert parts.result.weights_sha256 == whole.result.weights_sha256


def test_a_picture_that_is_lost_during_training_is_named(pictures):
    problem = clean_pictures(Dataset.from_folder(pictures), 0)
    for path in pictures.rglob("*.png"):
        path.unlink()
    with pytest.raises(aft.errors.AftError, match=r"\.png"):
        fit(problem, HParams(0.01, 6, 0.01), 0, method="finetune")
    assert not threads_ahead()


def test_a_factory_may_return_its_augmentation(numbers, tmp_path):
    CALLS.clear()
    name = "python:tests.training.test_augmentation:factory"
    run = aft.train(numbers, name, batch_size=8, out=tmp_path / "r", **FAST)
    assert len(CALLS) in PLANNED
    assert len(aft.load(run.path, student=name).predict(numbers.inputs)) == 60


def test_another_augmentation_is_another_run(numbers, tmp_path):
    aft.train(numbers, module(), preprocess=plain, train_preprocess=noisy, out=tmp_path / "r", **FAST)
    with pytest.raises(aft.errors.RunError, match="another train preprocessing"):
        aft.train(numbers, module(), preprocess=plain, train_preprocess=flipped, out=tmp_path / "r", **FAST)


def test_a_comparison_augments_too(numbers, tmp_path):
    CALLS.clear()
    store = aft.extract(numbers, module(), name="t", preprocess=plain, out=tmp_path / "f", progress=False)
    aft.compare(
        numbers, module(), store, methods=["aft"], seeds=1, beta=1.0, steps=5, lr=1e-3, weight_decay=0.0, batch_size=8,
        preprocess=plain, train_preprocess=noisy, processes=1, out=tmp_path / "c", progress=False,
    )  # fmt: skip
    assert len(CALLS) in (2 * 5 * 8 + 1, 2 * 6 * 8 + 1)
