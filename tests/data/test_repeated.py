"""Columns in which few values are different."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aft.data import _repeated, taken
from aft.data._equal import numbered
from aft.data._repeated import Repeated, compact

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
    places = data.draw(st.lists(st.integers(0, len(values) - 1))) if values else []
    assert repr(list(taken(column, places))) == repr([values[place] for place in places])
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
    values = [number % 300 for number in range(1000)]
    assert compact(values).numbers.dtype == np.uint16
    assert compact(values) == values
    assert compact([*values, "another", 1]) == [*values, "another", 1]
    assert isinstance(compact([*values, "another"]), list)
    assert compact(values[:250]).numbers.dtype == np.uint8
