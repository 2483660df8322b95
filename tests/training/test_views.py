"""What training shows the student: samples, new augmentations, or the views whose features the stores hold."""

import numpy as np
import pytest
import torch

import aft
from aft.data import Dataset, Views
from aft.errors import FingerprintError, UsageError
from aft.extraction import extract
from aft.probing import sample_keys
from aft.runs import TrainConfig
from aft.training import Problem
from aft.training._sampler import Step
from aft.training._sharded import ShardedDataset

TEACHER = "python:tests.training.test_views:colours"
STUDENT = "timm:resnet10t,weights=random,image_size=32"
FAST = {"beta": 1.0, "steps": 4, "batch_size": 8, "progress": False}


def colours():
    """A python: factory of a teacher: the mean of each colour in each quarter of an image."""

    def quarters(image):
        pixels = np.asarray(image.resize((2, 2)), dtype=np.float32) / 255
        return torch.from_numpy(pixels.reshape(-1))

    return torch.nn.Identity(), quarters


@pytest.fixture
def data(pictures):
    return Dataset.from_folder(pictures)


@pytest.fixture
def viewed(data, tmp_path):
    return extract(data, TEACHER, name="colours", out=tmp_path, views=4, progress=False)


@pytest.fixture
def problem(data, viewed):
    return Problem.build(data, STUDENT, [viewed], TrainConfig())


def test_a_step_shows_views_with_their_own_features(problem, viewed):
    step, samples = Step([3, 3, 3, 3, 5, 5, 5, 9], (0, 7)), problem.samples
    batch, views = samples[step], Views(("image",), 4)
    found = set()
    for place, position in enumerate(step.positions):
        name, raw = samples.dataset.ids[position], samples.dataset.inputs[position]
        number = next(
            n
            for n in range(4)
            if np.array_equal(batch["features"]["colours"][place], viewed.take(viewed.rows([name]), n)[0])
        )
        found.add(number)
        assert torch.equal(batch["inputs"]["image"][place], samples.backbone.encode([views.of(raw, name, number)])[0])
    assert len(found) > 1
    assert torch.equal(batch["inputs"]["image"], samples[step]["inputs"]["image"])
    assert not torch.equal(batch["inputs"]["image"], samples[Step(step.positions, (0, 8))]["inputs"]["image"])


def test_fine_tuning_sees_the_same_views(problem):
    step, samples = Step([3, 5, 9], (1, 2)), problem.samples
    assert torch.equal(samples[step]["inputs"]["image"], samples.with_stores([])[step]["inputs"]["image"])
    assert samples.with_stores([])._cached_views is samples._cached_views  # views are encoded once


def test_views_are_drawn_from_all_of_them(problem):
    numbers = np.concatenate([problem.samples._views_of(Step([0] * 20, (0, step))) for step in range(50)])
    assert (np.bincount(numbers, minlength=4) > 200).all()


@pytest.mark.parametrize("scope", ["global", "local"])
def test_processes_see_the_views_of_a_single_one(problem, scope, monkeypatch):
    step = Step([3, 5, 9, 11, 3, 7], (0, 3))
    whole = problem.samples[step]
    monkeypatch.setattr("aft.training._sharded.world_size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr("aft.training._sharded.rank", lambda rank=rank: rank)
        part = ShardedDataset(problem.samples, 6, scope)[step]
        order = [0, 2, 4, 1, 3, 5] if scope == "global" else range(rank, 6, 2)
        assert torch.equal(part["inputs"]["image"], whole["inputs"]["image"][rank::2])
        assert torch.equal(part["features"]["colours"], whole["features"]["colours"][list(order)])
        assert torch.equal(part["objective_targets"], whole["objective_targets"][list(order)])


def test_validation_and_prediction_see_the_samples_themselves(problem, data, viewed, tmp_path):
    clean = problem.template.backbone.encode([problem.samples.dataset.inputs[3]])[0]
    assert torch.equal(problem.samples.encoded([3])[0], clean)
    run = aft.train(data, STUDENT, viewed, out=tmp_path / "r", method="probe-kd", **FAST)
    again = aft.train(data, STUDENT, viewed, out=tmp_path / "s", method="probe-kd", workers=2, **FAST)
    plain = aft.train(data, STUDENT, viewed, out=tmp_path / "t", method="probe-kd", augment="none", **FAST)
    assert again.result.weights_sha256 == run.result.weights_sha256 != plain.result.weights_sha256
    model = aft.load(run.path)
    assert np.array_equal(model.logits(data.inputs), model.logits(data.inputs))


def test_augmentation_without_views_is_new_at_every_use(data):
    plain = Problem.build(data, STUDENT, [], TrainConfig())
    augmented = Problem.build(data, STUDENT, [], TrainConfig(augment="clean"))
    one, other = Step([3, 3, 5], (0, 7)), Step([3, 3, 5], (0, 8))
    first = augmented.samples[one]["inputs"]["image"]
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first, augmented.samples[one]["inputs"]["image"])
    assert not torch.equal(first, augmented.samples[other]["inputs"]["image"])
    clean = plain.samples[one]["inputs"]["image"]
    assert torch.equal(clean[0], clean[1])
    assert torch.equal(augmented.samples.encoded([3])[0], clean[0])


def test_clean_augmentation_keeps_the_features_of_the_sample(data, viewed):
    problem = Problem.build(data, STUDENT, [viewed], TrainConfig(augment="clean"))
    step = Step([3, 5], (0, 7))
    names = [problem.samples.dataset.ids[position] for position in step.positions]
    assert np.array_equal(problem.samples[step]["features"]["colours"], viewed[names])


def test_texts_are_augmented_too(dataset, tmp_path):
    store = extract(dataset, "python:tests.conftest:bag_of_letters", out=tmp_path, name="t", views=3, progress=False)
    problem = Problem.build(dataset, "aft:static", [store], TrainConfig())
    step = Step([4] * 8, (0, 1))
    assert len({tuple(row.tolist()) for row in problem.samples[step]["inputs"]["input_ids"]}) > 1
    for augment in ("views", "clean"):
        aft.train(dataset, "aft:static", store, out=tmp_path / augment, augment=augment, **FAST)


def test_a_comparison_shows_views_to_every_method(data, viewed, tmp_path):
    result = aft.compare(
        data, STUDENT, viewed, methods=["probe-kd"], seeds=2, out=tmp_path / "c", steps=3, batch_size=8, progress=False
    )
    assert [method.method for method in result.methods] == ["finetune", "probe-kd"]


def test_what_cannot_be_shown_says_so(data, viewed, tmp_path):
    single = extract(data, TEACHER, name="single", out=tmp_path, progress=False)
    other = extract(data, TEACHER, name="other", out=tmp_path, views=4, view_seed=1, progress=False)
    with pytest.raises(UsageError, match="received stores with a single view; extract with views=8"):
        Problem.build(data, STUDENT, [single], TrainConfig(augment="views"))
    with pytest.raises(UsageError, match="received no stores; extract with views=8"):
        Problem.build(data, STUDENT, [], TrainConfig(augment="views"))
    for second in (single, other):
        with pytest.raises(
            FingerprintError, match="stores that are used together hold the same views; received colours: 4"
        ):
            Problem.build(data, STUDENT, [viewed, second], TrainConfig())
    numbers = Dataset.from_arrays(np.arange(160, dtype=np.float32).reshape(40, 4), ["a", "b"] * 20)
    with pytest.raises(UsageError, match="augmentation is for images and texts"):
        Problem.build(numbers, torch.nn.Linear(4, 2), [], TrainConfig(augment="clean"))


def test_the_probe_predicts_all_views_of_a_labelled_sample_out_of_fold(problem, viewed):
    student = problem.students.new(0)
    objective = problem.objectives.make("probe-kd", {}, student, problem.samples, problem.train, 0)["probe-kd"]
    plain = Problem.build(problem.dataset, STUDENT, [viewed], TrainConfig(augment="none"))
    single = plain.objectives.make("probe-kd", {}, student, plain.samples, plain.train, 0)["probe-kd"]
    samples, position = problem.samples, problem.train[:12]
    fold = sample_keys(samples.features(position)["colours"].float()) % 5
    assert len(set(fold.tolist())) > 1
    for view in range(4):
        features = samples.features(position, view)["colours"].float()
        by_probe = torch.einsum("bd,kcd->kbc", features, objective.weight) + objective.bias[:, None]
        assert torch.allclose(objective.predictions(features), by_probe[fold, torch.arange(12)], atol=1e-5)
    assert torch.equal(objective.weight, single.weight)
    stranger = torch.full((1, 12), 0.123)
    assert torch.allclose(
        objective.predictions(stranger), stranger @ objective.weight[5].T + objective.bias[5], atol=1e-5
    )


def test_views_are_added_to_the_samples_of_prepare():
    objective = aft.ProbeKD({"t": 3}, 4)
    features = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UsageError, match="call prepare first"):
        objective.add_views({"t": features})
    objective.prepare({"t": features}, targets=torch.arange(20) % 2)
    before = objective.predictions(features)
    objective.add_views({"t": features})  # views that equal their samples
    assert torch.equal(objective.predictions(features), before)
    assert len(objective.keys) == 20
    with pytest.raises(UsageError, match="received 7 for 20 samples"):
        objective.add_views({"t": features[:7]})
