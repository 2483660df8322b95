"""Cutting a dataset into training, validation and test parts."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.errors import DataError, UsageError, did_you_mean

SPLITS = ("train", "validation", "test")
_SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def assign_splits(values: Sequence[Any]) -> list[str]:
    """Read the splits that a table or folder gives.

    Args:
        values: As written: ``train``, ``training``, ``val``, ``valid``, ``validation``, ``dev``, ``test``, in any case.

    Returns:
        One of `SPLITS` a sample.

    Raises:
        DataError: Another word, or an empty cell.
    """
    result = []
    for row, value in enumerate(values, start=1):
        word = str(value or "").strip().lower()
        if word not in _SPELLINGS:
            raise DataError(
                f"a split is train, validation or test; received {value!r} in row {row}{did_you_mean(word, _SPELLINGS)}"
            )
        result.append(_SPELLINGS[word])
    return result


def is_split_name(word: str) -> bool:
    """Whether a folder's name is a split's."""
    return word.lower() in _SPELLINGS


def split_of(word: str) -> str:
    """The split that a folder's name means."""
    return _SPELLINGS[word.lower()]


def hold_out(
    digests: Sequence[str],
    labels: Sequence[Any],
    *,
    fraction: float,
    seed: int,
    groups: Sequence[str | None] | None = None,
) -> NDArray[np.bool_]:
    """Choose a held-out part, stratified by label and never cutting through a group.

    Samples of one group, and samples with equal inputs, stay together. The choice depends on the seed and on the samples,
    not on their order.

    Args:
        digests: Digest of each input.
        labels: Label of each sample; one without a label is never held out, unless its group is.
        fraction: Share of the labelled samples to hold out, between 0 and 1.
        seed: Of the choice.
        groups: Group of each sample; None where it has none.

    Returns:
        Which samples are held out, ``(N,)``.

    Raises:
        UsageError: A fraction outside 0 to 1.
        DataError: So few samples or groups that one side would be empty.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"a fraction to hold out lies between 0 and 1; received {fraction!r}; 0.2 is usual")
    units = _units(digests, groups)
    strata = _strata(labels)
    # A unit belongs to its most common stratum; units without a label stay in training.
    by_stratum: dict[Any, list[list[int]]] = defaultdict(list)
    for members in units:
        labelled = Counter(strata[i] for i in members if strata[i] is not None)
        if labelled:
            by_stratum[min(labelled, key=lambda s: (-labelled[s], str(s)))].append(members)
    if sum(map(len, by_stratum.values())) < 2:
        raise DataError(
            "a held-out part needs at least two labelled samples or groups; received fewer; give more, or a split column"
        )
    held = np.zeros(len(digests), dtype=bool)
    carried = 0.0
    for stratum in sorted(by_stratum, key=str):
        ordered = sorted(by_stratum[stratum], key=lambda m: _rank(m, digests, groups, seed))
        labelled_count = sum(strata[i] is not None for unit in ordered for i in unit)
        wanted, taken = fraction * labelled_count + carried, 0
        for unit in ordered[:-1]:  # a class never leaves training altogether
            size = sum(strata[i] is not None for i in unit)
            if taken + size / 2 > wanted:
                break
            held[unit] = True
            taken += size
        carried = wanted - taken
    if not held.any():
        # By name where two are as large: the order of the samples must not matter.
        largest = by_stratum[max(sorted(by_stratum, key=str), key=lambda stratum: len(by_stratum[stratum]))]
        held[min(largest, key=lambda m: _rank(m, digests, groups, seed))] = True
    if held.all():
        raise DataError(
            "a held-out part must leave training samples; received too few groups; give more, or a split column"
        )
    return held


def _units(digests: Sequence[str], groups: Sequence[str | None] | None) -> list[list[int]]:
    """Samples that must stay together: equal inputs, equal groups, and chains of both."""
    parent = list(range(len(digests)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, digest in enumerate(digests):
        keys = [("input", digest)]
        if groups is not None and groups[i] is not None:
            keys.append(("group", str(groups[i])))
        for key in keys:
            parent[find(i)] = find(first.setdefault(key, i))
    units: dict[int, list[int]] = defaultdict(list)
    for i in range(len(digests)):
        units[find(i)].append(i)
    return list(units.values())


def _rank(members: list[int], digests: Sequence[str], groups: Sequence[str | None] | None, seed: int) -> bytes:
    named = [groups[i] for i in members if groups is not None and groups[i] is not None] if groups is not None else []
    key = "group:" + min(map(str, named)) if named else "input:" + min(digests[i] for i in members)
    return hashlib.blake2b(f"{seed}:{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _strata(labels: Sequence[Any]) -> list[Any]:
    """What to stratify by: the class, or a tenth of the range of many different numbers."""
    present = [label for label in labels if label is not None]
    numbers: list[float] = []
    try:
        numbers = [float(label) for label in present]
    except (TypeError, ValueError):
        numbers = []
    if numbers and len(set(numbers)) > 20:
        edges = np.quantile(numbers, np.linspace(0, 1, 11)[1:-1])
        return [None if label is None else int(np.searchsorted(edges, float(label))) for label in labels]
    return [None if label is None else str(label) for label in labels]
