"""Encoded inputs in few bytes."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import aft
from aft.features import FeatureStore
from aft.preprocessing import Ngrams, Tokens
from aft.runs import RunLayout
from aft.training import Problem, TrainConfig, _encoded, _packed
from aft.training._packed import Subset, is_packable, packed
from aft.training._spread import spread

ARRAYS = st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=20)


def equal(one, other):
    return all(
        np.array_equal(a, b) and a.dtype == b.dtype if isinstance(a, np.ndarray) else a is b
        for a, b in zip(one, other, strict=True)
    )


@given(ARRAYS, st.booleans(), st.data())
def test_packed_inputs_are_like_a_list(arrays, segments, data):
    items = [
        Tokens(np.array(a, np.int32), np.array(a, np.int32) % 2 if segments else None, data.draw(st.booleans()))
        for a in arrays
    ]
    column = packed(iter(items), items[0])
    assert len(column) == len(items)
    assert all(equal(*pair) for pair in zip(column, items, strict=True))
    assert equal(column[-1], items[-1])
    assert all(equal(*pair) for pair in zip(column[1:3], items[1:3], strict=True))
    assert all(equal(*pair) for pair in zip(pickle.loads(pickle.dumps(column)), items, strict=True))
    with pytest.raises(IndexError):
        column[len(items)]


def test_what_is_packed():
    assert is_packable(Ngrams(np.zeros(2, np.int32), np.zeros(2, np.float32)))
    assert is_packable(torch.zeros(3))
    assert is_packable((Tokens(np.zeros(2, np.int32), None, False), Ngrams(np.zeros(2, np.int32), np.zeros(2))))
    assert is_packable((Tokens(np.zeros(2, np.int32), None, False), torch.zeros(3)))
    assert not is_packable((np.zeros(2), np.zeros((2, 2))))
    assert not is_packable((1, "a"))
    for tensor in (
        torch.tensor(1.0),
        torch.zeros(0, 3),
        torch.zeros(2, dtype=torch.bfloat16),
        torch.zeros(2).to_sparse(),
    ):
        assert not is_packable(tensor)
    assert not is_packable(torch.nn.Parameter(torch.zeros(3)))
    with pytest.raises(TypeError, match="int64 after int32"):
        packed([Tokens(np.zeros(2, np.int64), None, False)], Tokens(np.zeros(2, np.int32), None, False))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.uint8, torch.int64, torch.bool])
def test_packed_tensors_are_like_a_list(dtype):
    """One of another shape, of another type and nothing at all among them."""
    items = [(torch.rand(3, 4, 5) * 9).to(dtype).transpose(0, 1) for _ in range(6)]
    items[2], items[4] = torch.rand(2, 2), None
    column = packed(iter(items), items[0])
    for found in (column, pickle.loads(pickle.dumps(column))):
        assert len(found) == 6
        for one, other in zip([*found, *found[1:3], found[-1]], [*items, *items[1:3], items[-1]], strict=True):
            assert one is other is None or (torch.equal(one, other) and one.dtype == other.dtype)
    column[0].fill_(1)
    assert torch.equal(column[0], items[0])
    with pytest.raises(IndexError):
        column[6]


def test_packed_dicts_are_like_a_list():
    items = [{"pixels": torch.rand(2, 3), "length": n, "ids": np.arange(n)} for n in range(5)]
    column = packed(iter(items), items[0])
    for found in (column, pickle.loads(pickle.dumps(column))):
        for one, other in zip([*found, *found[1:3]], [*items, *items[1:3]], strict=True):
            assert list(one) == list(other)
            assert torch.equal(one["pixels"], other["pixels"])
            assert one["length"] == other["length"]
            assert np.array_equal(one["ids"], other["ids"])
    some = Subset(column, [4, 0, 2])
    assert [one["length"] for one in some] == [one["length"] for one in some[:]] == [4, 0, 2]
    assert some[-1]["length"] == 2


@pytest.mark.parametrize(
    "other", [{"a": np.zeros(1)}, {"b": np.zeros(1), "a": 1}, {"a": 1, "b": 2}, {"a": np.zeros((1, 1)), "b": 2}, None]
)
def test_inputs_that_differ_in_their_fields_stay_a_list(other, monkeypatch):
    monkeypatch.setattr(_encoded, "PACKED_BYTES", 0)
    items = [{"a": np.zeros(1), "b": 1}, other]
    backbone = SimpleNamespace(encode=lambda inputs: [items[place] for place in inputs])
    assert is_packable(items[0])
    assert _encoded.encode_all(backbone, range(2), np.arange(2)) == items
    assert _encoded.encode_all(backbone, range(2), np.arange(0)) == []
    assert isinstance(_encoded.encode_all(backbone, [0, 0], np.arange(2)), _packed.PackedDicts)


@pytest.mark.parametrize(
    "student",
    [
        "aft:ngrams",
        "aft:static,width=16,vocabulary=200",
        "aft:transformer,width=16",
        "aft:static,width=16+aft:ngrams",
        "aft:cnn,width=16",
    ],
)
def test_a_training_with_packed_inputs_is_the_same(dataset, store, tmp_path, monkeypatch, student):
    def trained(name):
        run = aft.train(dataset, student, store, out=tmp_path / name, beta=1.0, steps=10, batch_size=16, progress=False)
        return load_file(RunLayout(run.path).weights)

    plain = trained("plain")
    made = []
    monkeypatch.setattr(_encoded, "PACKED_BYTES", 0)
    monkeypatch.setattr(_encoded, "packed", lambda *args: made.append(_packed.packed(*args)) or made[-1])
    again = trained("packed")
    assert made
    assert plain.keys() == again.keys()
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_what_is_fitted_before_training_sees_at_most_so_many_samples(dataset, store, tmp_path, monkeypatch):
    monkeypatch.setattr("aft.training._teacher_probes.MOST_SAMPLES", 20)
    monkeypatch.setattr("aft.training._objectives.MOST_SAMPLES", 20)
    monkeypatch.setattr("aft.training._students.MOST_SAMPLES", 30)
    monkeypatch.setattr("aft.training._linear_start.MOST_SAMPLES", 30)
    seen = []
    take = FeatureStore.take
    monkeypatch.setattr(FeatureStore, "take", lambda self, rows, *a: seen.append(len(rows)) or take(self, rows, *a))
    run = aft.train(
        dataset,
        "aft:ngrams",
        store,
        out=tmp_path / "run",
        method="aft+probe-kd",
        beta=1.0,
        steps=30,
        batch_size=16,
        progress=False,
    )
    assert run.error < 0.45
    assert max(seen) <= 30


def test_positions_are_spread_over_all():
    positions = np.arange(5, 105)
    assert spread(positions, 100) is positions
    chosen = spread(positions, 50)
    assert (np.diff(chosen) > 0).all()
    assert ((chosen - 5) // 2 == np.arange(50)).all()
    assert 15 < (chosen % 2).sum() < 35  # where classes take turns, both are chosen
    assert np.array_equal(chosen, spread(positions, 50))


def test_a_large_test_split_is_predicted_in_parts(dataset, store, tmp_path, monkeypatch):
    def logits():
        problem = Problem.build(dataset, "aft:ngrams", [store], TrainConfig(method="finetune"))
        return problem.test_logits(problem.students.new(0))

    whole = logits()
    monkeypatch.setattr("aft.training._problem.CACHE_BYTES", 0)
    monkeypatch.setattr("aft.training._problem.PART_BYTES", 5000)
    np.testing.assert_allclose(logits(), whole, atol=1e-6)
