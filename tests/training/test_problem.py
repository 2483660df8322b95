"""A problem is encoded once, and students are fresh each time."""

import pickle
import random

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import DataError, StoreError
from aft.models import Backbone, weights_digest
from aft.runs import HParams, TrainConfig
from aft.training import Problem, fit
from tests.conftest import letters

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200,dropout=0.0"
HPARAMS = HParams(0.02, 20, 0.01, "balanced", 1.0)


def build(dataset, store, student=STUDENT, **settings):
    return Problem.build(dataset, student, [store], TrainConfig(batch_size=16, **settings))


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_every_method_starts_from_the_same_weights(dataset, store):
    starts = [
        build(dataset, store, method=method).students.new(0).state_dict() for method in ("finetune", "aft", "probe-kd")
    ]
    assert same(starts[0], starts[1])
    assert same(starts[0], starts[2])


def test_fit_leaves_the_template_alone_and_gives_a_fresh_student(dataset, store):
    problem = build(dataset, store)
    before = weights_digest(problem.template)
    one, two = (fit(problem, HPARAMS, 0, method="aft+probe-kd").student for _ in range(2))
    assert weights_digest(problem.template) == before
    assert one is not two
    assert same(one.state_dict(), two.state_dict())
    assert weights_digest(one) != before
    other = fit(problem, HPARAMS, 1, method="aft+probe-kd").student
    assert not same(one.state_dict(), other.state_dict())


class Counted(nn.Module):
    """A student that keeps a hook on itself, as some modules do."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(26, 4)
        self.seen = []
        self.fc.register_forward_hook(lambda _module, _args, output: self.seen.append(output))

    def forward(self, input):
        return self.fc(input).relu()


def counted():
    """A python: factory."""
    return Counted(), letters


def test_a_factorys_student_is_made_anew_and_keeps_its_hooks(dataset, store):
    problem = build(dataset, store, student="python:tests.training.test_problem:counted")
    student = fit(problem, HPARAMS, 0, method="aft").student
    assert student.backbone.module.seen
    assert not torch.equal(student.backbone.module.fc.weight, problem.template.backbone.module.fc.weight)


def test_inputs_are_encoded_once_for_all_trainings(dataset, store, monkeypatch):
    kind, count = type(build(dataset, store).template.backbone), []
    encode = kind.encode
    monkeypatch.setattr(kind, "encode", lambda self, inputs: count.append(len(inputs)) or encode(self, inputs))
    problem = build(dataset, store)
    encoded = sum(count)
    for method in ("finetune", "aft", "kd"):
        fit(problem, HPARAMS, 0, method=method)
        problem.test_logits(problem.template)
    assert sum(count) == encoded + len(problem.splits.test)


def test_another_process_can_be_sent_a_problem(dataset, store):
    problem = build(dataset, store)
    sent = pickle.loads(pickle.dumps(problem))
    assert np.array_equal(sent.train, problem.train)
    one, two = (fit(p, HPARAMS, 0, method="aft+probe-kd").student.state_dict() for p in (problem, sent))
    assert same(one, two)


ONE = nn.Sequential(nn.Linear(26, 4), nn.ReLU())


def one_module_again_and_again():
    """A python: factory that returns a cached module."""
    return ONE, letters


def test_a_factory_that_returns_one_module_starts_afresh_each_time(dataset, store):
    problem = build(dataset, store, student="python:tests.training.test_problem:one_module_again_and_again")
    one, two = (
        {k: v.clone() for k, v in fit(problem, HPARAMS, 0, method="aft").student.state_dict().items()} for _ in range(2)
    )
    assert same(one, two)


def test_a_student_of_a_factory_is_built_again_in_another_process(dataset, store):
    problem = build(dataset, store, student="python:tests.training.test_problem:counted")  # its hook cannot be pickled
    sent = pickle.loads(pickle.dumps(problem))
    one, two = (fit(p, HPARAMS, 0, method="aft").student.state_dict() for p in (problem, sent))
    assert same(one, two)


@pytest.mark.parametrize("student", [STUDENT, "python:tests.training.test_problem:counted"])
def test_another_process_encodes_nothing_again(dataset, store, monkeypatch, student):
    problem = build(dataset, store, student=student)
    problem.encode_test()
    trained = fit(problem, HPARAMS, 0, method="aft").student
    sent = pickle.dumps(problem)

    plain = Backbone.encode

    def encode(self, inputs):
        assert len(inputs) == 1, "encoded again"  # one sample shows a factory's module what it reads
        return plain(self, inputs)

    monkeypatch.setattr(Backbone, "encode", encode)
    arrived = pickle.loads(sent)
    assert arrived.digest == problem.digest
    again = fit(arrived, HPARAMS, 0, method="aft").student
    assert same(again.state_dict(), trained.state_dict())
    assert np.array_equal(arrived.test_logits(again), problem.test_logits(trained))
    assert arrived.measure_search(again) == problem.measure_search(trained)


def test_labels_of_the_test_split_are_checked_before_anything_is_encoded(monkeypatch):
    def encode(*_):
        raise AssertionError("encoded")

    monkeypatch.setattr("aft.training._problem.EncodedDataset", encode)
    labels = ["a", "b"] * 10 + ["c"]
    dataset = Dataset.from_arrays([f"text {number}" for number in range(21)], labels, splits=["train"] * 20 + ["test"])
    with pytest.raises(DataError, match="every label must occur in training; received 'c'"):
        Problem.build(dataset, "aft:ngrams", [], TrainConfig(method="finetune"))


def from_numpy():
    """A factory whose module takes its first weights from NumPy and from Python."""
    module = nn.Linear(26, 2)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.random.standard_normal((2, 26))))  # noqa: NPY002
        module.bias.fill_(random.random())
    return nn.Sequential(nn.Identity(), module), letters


def test_a_factory_that_draws_from_numpy_starts_alike_in_every_process(dataset, store):
    before = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    problem = build(dataset, store, student="python:tests.training.test_problem:from_numpy")
    sent = pickle.loads(pickle.dumps(problem))
    again = build(dataset, store, student="python:tests.training.test_problem:from_numpy")
    for seed in (0, 7):
        one, *others = (weights_digest(found.students.new(seed)) for found in (problem, sent, again))
        assert others == [one, one]
    assert weights_digest(problem.students.new(0)) != weights_digest(problem.students.new(7))
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002


def test_a_store_that_is_replaced_is_not_read_by_other_processes(dataset, store):
    sent = pickle.dumps(build(dataset, store))
    pickle.loads(sent)
    aft.extract(
        dataset, "python:tests.conftest:half_of_the_letters", name="letters", out=store.path.parent, overwrite=True, progress=False
    )  # fmt: skip
    with pytest.raises(StoreError, match="has been replaced meanwhile"):
        pickle.loads(sent)
