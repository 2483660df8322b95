"""What a user's module and preprocessing are recognised by, and what becomes of them."""

import collections
import functools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import ModelError, RunError, UsageError
from aft.models import Student, load_backbone, weights_digest
from aft.models._identity import preprocess_digest
from aft.runs import open_inputs

FAST = {"method": "finetune", "beta": 0.0, "steps": 4, "progress": False, "batch_size": 8}
V = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
TABLE = np.arange(3000.0)
FACTOR = 2.0


@pytest.fixture
def numbers():
    return Dataset.from_arrays(V.copy(), np.where(V[:, 0] > 0, "up", "down").tolist())


class Scaler:
    def __init__(self, factor):
        self.factor = factor
        self.inner = None

    def transform(self, values):
        return values * self.factor

    def __call__(self, values):
        return self.inner.transform(values)


def holding(factor):
    outer = Scaler(0.0)
    outer.inner = Scaler(factor)
    return outer


def closure(array):
    return lambda values: values * array[1500]


def by_constant(values):
    return values * FACTOR


class ByConstant:
    def __call__(self, values):
        return values * FACTOR


def times(values, factor):
    return values * factor


class Slots:
    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, values):
        return values * self.factor


def keyword_only(factor):
    def function(values, *, factor=factor):
        return values * factor

    return function


def cached(factor):
    @functools.lru_cache
    def function(value):
        return value * factor

    return lambda values: [function(value) for value in values]


def lambda_in_compose(factor):
    from torchvision import transforms

    return transforms.Compose([transforms.Lambda(lambda values: values * factor)])


def itself(factor):
    held = [factor]
    held.append(held)
    return lambda values: values * held[0]


def changed(position):
    array = TABLE.copy()
    array[position] = -1
    return array


@pytest.mark.parametrize(
    "make",
    [
        lambda n: Scaler(float(n)).transform,
        lambda n: holding(float(n)),
        lambda n: closure(changed(n)),
        lambda n: closure(torch.from_numpy(changed(n))),
        lambda n: functools.partial(times, factor=n),
        lambda n: closure({"a": [Scaler(n)]}),
        Slots,
        keyword_only,
        cached,
        lambda_in_compose,
        itself,
        lambda n: Scaler(re.compile("x" * 500 + str(n))).transform,
        lambda n: functools.partial(keyword_only(n), factor=2),
        lambda n: functools.partial(lambda values, f: f(values), f=closure(n)),
        lambda n: Scaler({str(m) for m in range(n)}).transform,
        lambda n: Scaler(collections.deque([changed(n)])).transform,
    ],
)
def test_what_a_function_holds_is_part_of_its_identity(make):
    assert preprocess_digest(make(1500)) == preprocess_digest(make(1500))
    assert preprocess_digest(make(1500)) != preprocess_digest(make(1501))


@pytest.mark.parametrize("place", range(40))
def test_each_of_many_held_functions_counts(place):
    def many(values):
        functions = [cached(value) for value in values]
        return lambda value: [function(value) for function in functions]

    values = list(range(1500, 1540))
    changed = [value + (number == place) * 100 for number, value in enumerate(values)]
    assert preprocess_digest(many(values)) == preprocess_digest(many(values))
    assert preprocess_digest(many(values)) != preprocess_digest(many(changed))


def test_code_of_held_functions_and_classes_counts():
    def first(values):
        return values * 2

    def second(values):
        return values + 5

    assert preprocess_digest(functools.partial(first)) != preprocess_digest(functools.partial(second))
    assert preprocess_digest(Scaler(first)) != preprocess_digest(Scaler(second))

    class Other(Scaler):
        def transform(self, values):
            return values / self.factor

    assert preprocess_digest(Scaler(2.0).transform) != preprocess_digest(Other(2.0).transform)


def test_what_cannot_be_described_is_refused():
    class Rude:
        def __repr__(self):
            raise ValueError("no")

    with pytest.raises(ModelError, match="recognised by its code and by what it uses"):
        preprocess_digest(closure({Rude(): 1}))


def test_a_changed_constant_is_another_preprocessing(monkeypatch):
    def inner(values):
        return [value * FACTOR for value in values]

    functions = [by_constant, inner, lambda values: (lambda: values * FACTOR)(), ByConstant()]
    before = [preprocess_digest(function) for function in functions]
    monkeypatch.setattr("tests.models.test_identity.FACTOR", 3.0)
    for function, digest in zip(functions, before, strict=True):
        assert preprocess_digest(function) != digest


def net(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2))


def test_loading_leaves_the_module_alone(numbers, tmp_path):
    module = net()
    before = weights_digest(module)
    runs = [aft.train(numbers, module, out=tmp_path / str(seed), seed=seed, **{**FAST, "lr": 0.1}) for seed in (0, 1)]
    first = aft.load(runs[0].path, student=module)
    outputs = first.logits(list(V))
    second = aft.load(runs[1].path, student=module)
    assert np.array_equal(first.logits(list(V)), outputs)
    assert not np.array_equal(second.logits(list(V)), outputs)
    assert weights_digest(module) == before
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in module.modules())


def test_other_layers_are_another_module(numbers, tmp_path):
    run = aft.train(numbers, net(), out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="another module"):
        aft.train(numbers, net(0.9), out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="the layers of student= differ"):
        aft.load(run.path, student=net(0.9))


def test_changed_groups_are_another_task(numbers, tmp_path):
    groups = [str(n // 6) for n in range(60)]
    labels = numbers.labels
    aft.train(Dataset.from_arrays(V, labels, groups=groups), net(), out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="digest"):
        aft.train(
            Dataset.from_arrays(V, labels, groups=groups[::-1][:-3] + ["0"] * 3), net(), out=tmp_path / "r", **FAST
        )


ONE = net()


def one_again_and_again():
    return ONE


def test_seeds_do_not_share_the_module_of_a_factory(numbers, tmp_path):
    before = weights_digest(ONE)
    name = "python:tests.models.test_identity:one_again_and_again"
    given = {**FAST, "lr": 0.1}
    one = aft.train(numbers, name, out=tmp_path / "1", seed=1, **given)
    aft.train(numbers, name, out=tmp_path / "0", seed=0, **given)
    again = aft.train(numbers, name, out=tmp_path / "2", seed=1, **given)
    assert one.result.weights_sha256 == again.result.weights_sha256
    assert weights_digest(ONE) == before


class Ending(nn.Module):
    def __init__(self, forward, width=2):
        super().__init__()
        self.body, self.fc, self.aux, self.call = nn.Linear(3, 8), nn.Linear(8, width), nn.Linear(3, width), forward

    def forward(self, x):
        return self.call(self, x, torch.relu(self.body(x)))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, _x, h: m.fc(h).tanh(), "ends in something else, with 2 columns for the task's 2"),
        (lambda m, x, h: (m.fc(h) + m.aux(x)) / 2, "which may be either; end it in nn.Linear"),
        (lambda m, _x, h: nn.functional.linear(h, m.fc.weight), "ends in something else"),
        (lambda m, _x, h: (m.fc(h), m.fc(-h))[0], "which it uses 2 times; pool before it"),
        (lambda m, _x, h: m.fc(h)[:, None].repeat(1, 4, 1), "ends in something else"),
    ],
)
def test_what_may_be_logits_or_features_is_refused(forward, message):
    with pytest.raises(UsageError, match=message):
        Student(load_backbone(Ending(forward), role="student", example=V[0]), 2)


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x, h: (m.fc(h), m.aux(x)),
        lambda m, _x, h: m.fc(h).double(),
        lambda m, x, h: (m.aux(x), m.fc(h))[1],
    ],
)
def test_the_classifier_is_what_the_module_ends_in(forward):
    student = Student(load_backbone(Ending(forward), role="student", example=V[0]), 2)
    assert (student.dim, student.head) == (8, None)
    output = student({"input": torch.from_numpy(V)})
    assert torch.equal(output.features, torch.relu(student.backbone.module.body(torch.from_numpy(V))))


def test_an_activation_in_place_makes_features():
    module = nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True))
    assert Student(load_backbone(module, role="student", example=V[0]), 2).dim == 5


class Counting(nn.Module):
    """Learns something that its state dict does not hold."""

    def __init__(self):
        super().__init__()
        self.net = net()
        self.register_buffer("mean", torch.zeros(3), persistent=False)

    def forward(self, x):
        if self.training:
            self.mean = x.mean(dim=0).detach()
        return self.net(x - self.mean)


def test_state_that_would_be_lost_is_refused(numbers, tmp_path):
    with pytest.raises(ModelError, match="changes its buffer 'backbone.module.mean', which is not; register it"):
        aft.train(numbers, Counting(), out=tmp_path / "r", **FAST)


class Recomputing(Counting):
    """Its buffer is computed anew in every forward pass, and starts with NaN."""

    def __init__(self):
        super().__init__()
        self.register_buffer("unused", torch.full((2,), torch.nan), persistent=False)

    def forward(self, x):
        self.mean = x.mean(dim=0).detach()
        return self.net(x - self.mean)


def test_buffers_that_outputs_do_not_depend_on_are_fine(numbers, tmp_path):
    assert aft.train(numbers, Recomputing(), out=tmp_path / "r", **FAST).error is not None


class Other(nn.Linear):
    def get_extra_state(self):
        return {"a": 1}

    def set_extra_state(self, state):
        pass


def test_modules_that_cannot_be_trained_or_saved(numbers, tmp_path):
    frozen = net().requires_grad_(False)
    with pytest.raises(ModelError, match="all of this one are frozen"):
        aft.train(numbers, frozen, out=tmp_path / "a", **FAST)
    with pytest.raises(
        ModelError, match="a module's state is tensors, since nothing else is saved; received '.*_extra_state'"
    ):
        aft.train(numbers, nn.Sequential(Other(3, 4), nn.ReLU()), out=tmp_path / "b", **FAST)


class Noisy(nn.Module):
    """Draws its noise with NumPy."""

    def __init__(self):
        super().__init__()
        self.net = net()

    def forward(self, x):
        noise = np.random.standard_normal(x.shape) if self.training else np.zeros(x.shape)  # noqa: NPY002
        return self.net(x + torch.from_numpy(noise.astype(np.float32)))


def test_random_numbers_of_any_generator_depend_on_the_seed(numbers, tmp_path):
    one, two = (aft.train(numbers, Noisy(), out=tmp_path / name, **FAST).result.weights_sha256 for name in "ab")
    assert one == two


def test_a_table_elsewhere_has_images_of_its_own(tmp_path):
    from PIL import Image

    for folder, colours in (("old", "red blue green"), ("new", "blue green red")):
        (tmp_path / folder / "pictures").mkdir(parents=True)
        for number, colour in enumerate(colours.split() * 8):
            picture = Image.new("RGB", (8, 8), colour)
            picture.putpixel((7, 7), (number, 0, 0))  # equal pictures would stay in one split
            picture.save(tmp_path / folder / "pictures" / f"{number}.png")
        rows = "".join(f"{n}.png,{colour}\n" for n, colour in enumerate(colours.split() * 8))
        (tmp_path / folder / "t.csv").write_text("file,label\n" + rows)
    old = tmp_path / "old"
    data = Dataset.from_table(old / "t.csv", image="file", label="label", image_root=old / "pictures")
    student = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU())
    run = aft.train(data, student, out=tmp_path / "r", **FAST)
    given = dict.fromkeys(("image", "image_root", "id"))
    assert len(open_inputs(run.path, old / "t.csv", given)) == 24
    with pytest.raises(aft.errors.DataError, match="cannot be read"):
        open_inputs(run.path, tmp_path / "new" / "t.csv", given).verified()
    given["image_root"] = str(tmp_path / "new" / "pictures")
    found = open_inputs(run.path, Path(tmp_path / "new" / "t.csv"), given)
    assert np.asarray(found.inputs[0])[0, 0].tolist() == [0, 0, 255]
