import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aft.data import Digests, assign_splits, hold_out
from aft.errors import DataError, UsageError


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=12, max_size=80),
    groups=st.integers(1, 12),
    fraction=st.sampled_from([0.1, 0.2, 0.5]),
    seed=st.integers(0, 5),
)
@example(
    labels=[*"aaaaaaaab", None, *"ccbccbccc"], groups=1, fraction=0.1, seed=1
)  # two strata of equal size, and no unit small enough to be held out at first
def test_groups_and_equal_inputs_stay_together_in_any_order(labels, groups, fraction, seed):
    n = len(labels)
    digests = [f"{i % max(2, n - 3):032x}" for i in range(n)]
    names = [f"g{i % groups}" if i % 3 else None for i in range(n)]
    try:
        held = hold_out(digests, labels, fraction=fraction, seed=seed, groups=names)
    except DataError:
        return
    assert 0 < held.sum() < n
    for key in (digests, names):
        for value in {k for k in key if k is not None}:
            assert len({bool(held[i]) for i in range(n) if key[i] == value}) == 1
    order = np.random.default_rng(seed).permutation(n)
    again = hold_out(
        [digests[i] for i in order],
        [labels[i] for i in order],
        fraction=fraction,
        seed=seed,
        groups=[names[i] for i in order],
    )
    assert {digests[i] for i in np.flatnonzero(held)} == {digests[order[i]] for i in np.flatnonzero(again)}


def test_the_choice_is_stratified():
    labels = ["rare"] * 10 + ["common"] * 190
    held = hold_out([f"{i:032x}" for i in range(200)], labels, fraction=0.2, seed=0)
    assert sum(held[:10]) == 2
    assert sum(held[10:]) == 38


def test_impossible_choices_are_rejected():
    with pytest.raises(UsageError, match="between 0 and 1; received 1"):
        hold_out(["0", "1"], ["a", "b"], fraction=1, seed=0)
    with pytest.raises(DataError, match="at least two labelled samples"):
        hold_out(["0", "1"], ["a", None], fraction=0.5, seed=0)


def test_names_of_splits_are_normalised():
    assert assign_splits(["Train", "val", " dev ", "TEST"]) == ["train", "validation", "validation", "test"]
    with pytest.raises(DataError, match="'trian' in row 2; did you mean 'train'"):
        assign_splits(["train", "trian"])


def test_many_integer_classes_are_stratified_by_class():
    labels = [str(n % 25) for n in range(250)]
    held = hold_out([f"d{n}" for n in range(250)], labels, fraction=0.2, seed=0)
    counts = [sum(held[n] for n in range(250) if n % 25 == c) for c in range(25)]
    assert counts == [2] * 25


def test_many_numbers_that_hardly_repeat_are_stratified_by_decile():
    held = hold_out([f"d{n}" for n in range(100)], list(range(100)), fraction=0.2, seed=0)
    assert [int(held[start : start + 10].sum()) for start in range(0, 100, 10)] == [2] * 10


@pytest.mark.parametrize("classes", [5, 30])
@pytest.mark.parametrize("joined", [False, True])
def test_label_sets_that_hardly_repeat_are_stratified_by_their_rarest_class(classes, joined):
    chosen = np.random.default_rng(0).random((400, classes)) < 0.3
    sets = [tuple(str(c) for c in np.flatnonzero(row)) for row in chosen]
    labels = ["|".join(names) or "none" for names in sets] if joined else sets
    digests = [f"d{n}" for n in range(400)]
    held = hold_out(digests, labels, fraction=0.2, seed=0)
    assert 70 <= held.sum() <= 90
    for name in map(str, range(classes)):
        has = np.array([name in names for names in sets])
        assert 0.1 < held[has].mean() < 0.3


def test_a_few_different_numbers_are_stratified_too():
    held = hold_out([f"d{n}" for n in range(20)], [n / 3 for n in range(20)], fraction=0.2, seed=0)
    assert 3 <= held.sum() <= 5


def plainly_held_out(digests, strata, groups, fraction, seed):
    """The choice, one unit at a time: sorted by a hash, until the next one is too large."""
    units = []
    for place, digest in enumerate(digests):
        keys = {digest} | ({groups[place]} if groups and groups[place] else set())
        joined = [unit for unit in units if unit[1] & keys]
        units = [unit for unit in units if not unit[1] & keys]
        units.append(([place, *(i for unit in joined for i in unit[0])], keys.union(*(unit[1] for unit in joined))))
    by_stratum = {}
    for members, _ in units:
        counts = Counter(strata[i] for i in members if strata[i] is not None)
        if counts:
            by_stratum.setdefault(min(counts, key=lambda one: (-counts[one], one)), []).append(members)

    def rank(members):
        named = [groups[i] for i in members if groups and groups[i]]
        key = f"group:{min(named)}" if named else "input:" + min(digests[i] for i in members)
        return hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=16).digest()

    held, carried = set(), 0.0
    for stratum in sorted(by_stratum):
        ordered = sorted(by_stratum[stratum], key=rank)
        sizes = [sum(strata[i] is not None for i in members) for members in ordered]
        wanted, taken = fraction * sum(sizes) + carried, 0
        for members, size in list(zip(ordered, sizes, strict=True))[:-1]:
            if taken + size / 2 > wanted:
                break
            held |= set(members)
            taken += size
        carried = wanted - taken
    if not held:
        largest = max(sorted(by_stratum), key=lambda stratum: len(by_stratum[stratum]))
        held = set(min(by_stratum[largest], key=rank))
    return held


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_choice_is_that_of_the_plain_rule(data):
    n = data.draw(st.integers(2, 40))
    digests = [f"{number:032x}" for number in data.draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))]
    labels = data.draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=n, max_size=n))
    groups = data.draw(st.none() | st.lists(st.sampled_from(["g", "h", "i", None]), min_size=n, max_size=n))
    fraction, seed = data.draw(st.sampled_from([0.05, 0.2, 0.5])), data.draw(st.integers(0, 3))
    try:
        held = hold_out(digests, labels, fraction=fraction, seed=seed, groups=groups)
    except DataError:
        return
    assert set(np.flatnonzero(held).tolist()) == plainly_held_out(digests, labels, groups, fraction, seed)
    again = hold_out(Digests.of(digests), labels, fraction=fraction, seed=seed, groups=groups)
    assert (held == again).all()
