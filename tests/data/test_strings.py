"""Columns of strings, and where each string stands."""

import errno
import io
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aft.core import _cache
from aft.data import Digests, Positions, Strings, _equal, _positions, _spill, _strings, column_bytes

WORDS = st.lists(st.text(st.characters(codec=None), max_size=6), max_size=30)
DIGESTS = st.lists(st.binary(min_size=16, max_size=16).map(bytes.hex), max_size=30)


def check(column, values, data):
    """A column behaves like a list of the same strings."""
    assert column == values
    assert list(column) == values
    assert len(column) == len(values)
    assert column != [*values, "another"]
    assert column != "".join(values)
    assert (column + values, values + column) == (values + values, values + values)
    for _ in range(4):
        start, stop = (data.draw(st.integers(-35, 35)) for _ in range(2))
        step = data.draw(st.sampled_from([1, 2, -1]))
        assert column[start:stop:step] == values[start:stop:step]
        if -len(values) <= start < len(values):
            assert column[start] == values[start]
        else:
            with pytest.raises(IndexError, match="has no position"):
                column[start]
    places = data.draw(st.lists(st.integers(-len(values), len(values) - 1))) if values else []
    with pytest.raises(IndexError, match="has no position"):
        column.take([*places, len(values)])
    assert column.take(places) == [values[place] for place in places]
    assert column.take(np.array(places, dtype=np.int64)) == [values[place] for place in places]
    assert pickle.loads(pickle.dumps(column)) == values


@given(WORDS, st.data())
def test_strings_are_like_a_list(values, data):
    check(Strings.of(iter(values)), values, data)
    assert Strings.of(column := Strings.of(values)) is column


@given(DIGESTS, st.data())
def test_digests_are_like_a_list(values, data):
    check(Digests.of(iter(values)), values, data)
    assert Digests.of(column := Digests.of(values)) is column


@given(WORDS, DIGESTS, st.data())
def test_long_columns_are_like_a_list_and_in_a_file(values, digests, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_spill, "IN_MEMORY", 8)
        patch.setattr(_spill, "BUFFER", 3)
        columns = Strings.of(values), Digests.of(digests)
        check(columns[0], values, data)
        check(columns[1], digests, data)


def test_the_file_of_a_column_has_no_name_and_lies_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_spill, "IN_MEMORY", 100)
    opened = []
    create = _spill.tempfile.TemporaryFile
    monkeypatch.setattr(
        _spill.tempfile, "TemporaryFile", lambda **arguments: opened.append(arguments.get("dir")) or create(**arguments)
    )
    column = Strings.of(f"sample-{number}" for number in range(1000))
    assert column[999] == "sample-999"
    assert not column._content.flags.writeable
    assert opened == [tmp_path / "cache"] * 2  # of the bytes, and of the ends
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setenv("AFT_CACHE", str(tmp_path / "cache" / "file"))
    (tmp_path / "cache" / "file").write_text("no folder", encoding="utf-8")
    assert len(Strings.of(["word"] * 1000)) == 1000  # in the directory of temporary files then


@pytest.mark.parametrize("room", [0, 150, 1000])
def test_on_a_full_disk_columns_stay_in_memory(tmp_path, monkeypatch, room):
    class SmallDisk(io.FileIO):
        def __init__(self):
            super().__init__(tmp_path / "file", "w+b")

        def write(self, content):
            if self.tell() + 7 > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(content[:7])  # a file may write less than it is asked to

    monkeypatch.setattr(_spill, "IN_MEMORY", 100)
    monkeypatch.setattr(_spill, "BUFFER", 30)
    monkeypatch.setattr(_strings, "CHUNK", 5)
    monkeypatch.setattr(_spill, "_unnamed_file", SmallDisk)
    values = [f"sample-{number}" for number in range(200)]
    assert Strings.of(values) == values


def test_without_a_home_directory_columns_go_to_the_directory_of_temporary_files(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(_cache, "cache_dir", no_home)
    monkeypatch.setattr(_spill, "IN_MEMORY", 100)
    values = [f"sample-{number}" for number in range(200)]
    assert Strings.of(values) == values


@given(st.lists(st.none() | st.text(max_size=3) | st.integers() | st.floats() | st.tuples(st.text(max_size=2))))
def test_columns_have_the_bytes_of_a_list(values):
    assert b"".join(column_bytes(values)) == repr(values).encode("utf-8", "surrogatepass")
    words = [str(value) for value in values] * 9_000
    assert b"".join(column_bytes(Strings.of(words))) == repr(words).encode("utf-8", "surrogatepass")
    assert b"".join(column_bytes(None)) == b"None"


def test_many_strings_are_read_in_chunks():
    values = [f"sample-{number}" for number in range(40_000)]
    assert list(Strings.of(values)) == values
    digests = [f"{number:032x}" for number in range(40_000)]
    assert list(Digests.of(digests)) == digests
    assert Positions(values).find(reversed(values)).tolist() == list(range(39_999, -1, -1))


def test_long_columns_have_longer_ends(monkeypatch):
    monkeypatch.setattr(_strings, "LARGEST", 5)
    values = ["abc", "", "defg", "h"]
    assert Strings.of(values) == values
    assert pickle.loads(pickle.dumps(Strings.of(values)))[1:] == values[1:]


def test_a_column_takes_little_memory():
    column = Strings.of(f"sample-{number:010d}" for number in range(10_000))
    assert len(pickle.dumps(column)) < 10_000 * (17 + 4) + 1000
    assert repr(column) == "['sample-0000000000', 'sample-0000000001', 'sample-0000000002', ...] (10,000 in all)"
    assert repr(Strings.of(["a"])) == "['a'] (1 in all)"


@given(st.lists(st.text(st.characters(codec=None), max_size=4), unique=True), WORDS)
def test_strings_are_found(values, others):
    wanted = [*values[::-1], *others, *values[:2]]
    expected = [values.index(word) if word in values else -1 for word in wanted]
    assert Positions(Strings.of(values)).find(wanted).tolist() == expected
    assert Positions(values).repeated() == []


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 4))
def test_equal_hashes_are_told_apart(values, hashes):
    distinct = list(dict.fromkeys(values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_positions, "_hashes", lambda words: np.array([ord(w) % hashes for w in words], dtype=np.uint64))
        places = Positions(distinct).find(list("hgfedcba")).tolist()
        twice = [word for word in distinct if values.count(word) > 1]
        assert Positions(values).repeated() == twice
    assert places == [distinct.index(word) if word in distinct else -1 for word in "hgfedcba"]


@given(st.lists(st.integers(0, 9), max_size=40), st.lists(st.integers(0, 9), max_size=40))
def test_equal_values_have_equal_numbers_and_are_found_among_others(values, others):
    # The last digits and the first ones differ, so that both halves of a digest count.
    one, two = ([f"{n % 3:016x}{n // 3:016x}" for n in numbers] for numbers in (values, others))
    for column, among in ((one, two), (Digests.of(one), Digests.of(two))):
        numbers = _equal.numbered(column).tolist()
        assert [[a == b for a in numbers] for b in numbers] == [[a == b for a in values] for b in values]
        assert sorted(set(numbers)) == list(range(len(set(values))))
        assert _equal.contained(column, among).tolist() == [value in others for value in values]
