"""Columns in which few values are different."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aft.data import Targets, _repeated, hold_out, sample_warnings, taken
from aft.data._equal import numbered
from aft.data._repeated import Repeated, compact
from aft.data._targets import clean_labels, guess_task
from aft.errors import AftError

VALUES = st.lists(
    st.sampled_from([0, 1, 1.0, True, False, 0.0, -0.0, None, "", "1", "a", ("a",), ("a", "b"), (), "\ud800"])
    | st.floats(),
    max_size=30,
)


@given(VALUES, st.data())
def test_a_column_is_like_a_list_of_the_same_values(values, data):
    column = compact(iter(values))
    assert isinstance(column, Repeated)
    # Equal values of different types stay what they are: the digests of problems are taken over their representations.
    assert repr(list(column)) == repr(values)
    assert repr(list(pickle.loads(pickle.dumps(column)))) == repr(values)
    start, stop = data.draw(st.integers(-35, 35)), data.draw(st.integers(-35, 35))
    assert repr(column[start:stop]) == repr(values[start:stop])
    places = data.draw(st.lists(st.integers(-len(values), len(values) - 1))) if values else []
    part = taken(column, places)
    assert repr(list(part)) == repr([values[place] for place in places]) == repr(taken(values, places))
    assert {repr(value) for value in part.distinct} == {repr(value) for value in part}
    assert compact(column) is column


@given(st.lists(st.sampled_from([0, 1, 1.0, True, "a", None, ("a",)]), max_size=30))
def test_equal_values_have_equal_numbers(values):
    numbers = numbered(compact(values)).tolist()
    pairs = [(i, j) for i in range(len(values)) for j in range(i)]
    assert all((numbers[i] == numbers[j]) == (values[i] == values[j]) for i, j in pairs)


@pytest.mark.parametrize("value", [b"bytes", {"path": "a"}, ("a", 1), np.float64(1), ["a"]])
def test_other_values_stay_in_a_list(value):
    assert compact([None, "a", value]) == [None, "a", value]
    assert isinstance(compact([None, "a", value]), list)


def test_many_different_values_are_a_list(monkeypatch):
    monkeypatch.setattr(_repeated, "MOST", 300)
    monkeypatch.setattr(_repeated, "FIRST", 400)
    assert isinstance(compact(range(250)), list)
    values = [number // 2 % 300 for number in range(1000)]
    assert compact(values).numbers.dtype == np.uint16
    assert compact(values) == values
    assert compact([*values, "another", 1]) == [*values, "another", 1]
    assert isinstance(compact([*values, "another"]), list)
    assert compact(values[:250]).numbers.dtype == np.uint8


LABELS = st.one_of(
    st.lists(st.sampled_from(["a", " a ", "b", "x|y", "y", "", None]), min_size=1, max_size=40),
    st.lists(st.sampled_from([0, 1, 2, 1.0, 2.5, True, None]), min_size=1, max_size=40),
    st.lists(st.sampled_from([("a", "b"), ("b",), (), None]), min_size=1, max_size=40),
    st.lists(st.integers(0, 60) | st.none(), min_size=1, max_size=60),
)


def outcome(function, *arguments, **options):
    """What a function returns, or the error that it raises."""
    try:
        return function(*arguments, **options)
    except AftError as error:
        return str(error)


@given(LABELS)
def test_labels_mean_the_same_in_a_list_and_in_a_column(labels):
    column = compact(labels)
    assert repr(list(clean_labels(column))) == repr(list(clean_labels(labels)))
    ids = [f"id{number}" for number in range(len(labels))]
    digests = [f"{number:032x}" for number in range(len(labels))]
    assert guess_task(column) == guess_task(labels)
    held, same = (outcome(hold_out, digests, values, fraction=0.3, seed=4) for values in (labels, column))
    assert np.array_equal(held, same)
    half = len(labels) // 2
    for task in ("auto", "classification", "regression", "multilabel", "ordinal"):
        known, same = (outcome(Targets.infer, values, task) for values in (labels, column))
        assert known == same
        if isinstance(known, str):
            continue
        part = outcome(Targets.infer, labels[half:], task)
        for targets in (known, *([] if isinstance(part, str) else [part])):  # those of a part do not know all labels
            one, two = (outcome(targets.encode, values, ids) for values in (labels, column))
            assert type(one) is type(two)
            if isinstance(one, str):
                assert one == two
            else:
                assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(one, two, strict=True))
        assert sample_warnings(known, digests, column) == sample_warnings(known, digests, labels)
