"""Holding out samples: stratified by label, without dividing groups or equal inputs."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data._equal import numbered
from aft.data._repeated import CompactBuilder, array_of, counted, mapped
from aft.data._targets import SEPARATOR, class_names, guess_task, is_missing
from aft.errors import DataError, UsageError, did_you_mean

SPLITS = ("train", "validation", "test")
#: Many different integers are classes to stratify by if each occurs this often on average.
REPEATED = 4
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


def assign_splits(values: Sequence[Any]) -> Sequence[str]:
    """Normalise the names of splits in a table or folder.

    Args:
        values: One per sample: ``train``, ``training``, ``val``, ``valid``, ``validation``, ``dev``, ``test``
            or ``testing``, in upper or lower case.

    Returns:
        One of `SPLITS` per sample.

    Raises:
        DataError: An unknown name or an empty cell.
    """
    result = CompactBuilder()
    for row, value in enumerate(values, start=1):
        word = "" if is_missing(value) else str(value).strip().lower()
        if word not in _SPELLINGS:
            raise DataError(
                f"a split is train, validation or test; received {value!r} in row {row}{did_you_mean(word, _SPELLINGS)}"
            )
        result.append(_SPELLINGS[word])
    return result.build()


def is_split_name(word: str) -> bool:
    """Whether the name of a folder is the name of a split."""
    return word.lower() in _SPELLINGS


def hold_out(
    digests: Sequence[str],
    labels: Sequence[Any],
    *,
    fraction: float,
    seed: int,
    groups: Sequence[str | None] | None = None,
) -> NDArray[np.bool_]:
    """Choose samples to hold out, stratified by label.

    Samples of one group, and samples with equal inputs, stay together. The choice depends on the seed and on
    the samples, not on their order.

    Args:
        digests: Digest of each input.
        labels: Label of each sample. A sample without a label is held out only together with its group.
        fraction: Fraction of the labelled samples to hold out, between 0 and 1.
        seed: Random seed of the choice.
        groups: Group of each sample; None where it has none.

    Returns:
        Which samples are held out, ``(N,)``.

    Raises:
        UsageError: The fraction does not lie between 0 and 1.
        DataError: There are so few samples or groups that one side would be empty.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"a held-out fraction lies between 0 and 1; received {fraction!r}; 0.2 is typical")
    units = _Units(digests, groups, _strata(labels))
    if len(units) < 2:
        raise DataError(
            "a held-out split needs at least two labelled samples, with different inputs and of different groups; received fewer; "
            "label more samples, or add a split column"
        )
    chosen, carried = [], 0.0
    for members in units.by_stratum:
        ordered = units.ranked(members, seed)
        sizes = units.labelled[ordered]
        wanted = fraction * int(sizes.sum()) + carried
        too_many = np.cumsum(sizes) - sizes / 2 > wanted
        too_many[-1] = True  # training keeps at least one unit of every class
        count = int(too_many.argmax())
        chosen.append(ordered[:count])
        carried = wanted - int(sizes[:count].sum())
    held = units.samples_of(np.concatenate(chosen))
    if not held.any():
        held = units.samples_of(units.ranked(max(units.by_stratum, key=len), seed)[:1])
    if held.all():
        raise DataError(
            "a held-out split must leave samples for training; received too few groups; add samples, or a split column"
        )
    return held


class _Units:
    """Sets of samples that must stay together: those connected by equal inputs or equal groups.

    Args:
        digests: Digest of each input.
        groups: Group of each sample; None where it has none.
        strata: Stratum of each sample; None where it has no label.

    Attributes:
        labelled: Number of labelled samples of each unit, ``(U,)``.
        by_stratum: Numbers of the units that have a label, by their most frequent stratum, in the order of the strata's names.
    """

    def __init__(self, digests: Sequence[str], groups: Sequence[str | None] | None, strata: Sequence[Any]) -> None:
        self._digests, self._groups = digests, groups
        self._unit = numbered(digests) if groups is None else _connected(digests, groups)
        #: Samples by unit, and where each unit begins.
        self._order = np.argsort(self._unit, kind="stable")
        self._starts = np.searchsorted(self._unit[self._order], np.arange(self._unit.max(initial=-1) + 2))
        names = sorted({stratum for stratum, _ in counted(strata) if stratum is not None}, key=str)
        number = {stratum: place for place, stratum in enumerate(names)}
        stratum = array_of(strata, lambda one: number.get(one, -1), np.int32)
        known = stratum >= 0
        self.labelled = np.bincount(self._unit[known], minlength=len(self._starts) - 1)
        self._stratum = np.full(len(self.labelled), -1, dtype=np.int32)
        self._stratum[self._unit[known]] = stratum[known]
        for unit in np.unique(self._unit[known & (stratum != self._stratum[self._unit])]).tolist():
            counts = np.bincount(stratum[self._members(unit)] + 1, minlength=2)[1:]
            self._stratum[unit] = counts.argmax()  # of equally frequent ones the first by name
        order = np.argsort(self._stratum, kind="stable")
        bounds = np.searchsorted(self._stratum[order], np.arange(len(names) + 1))
        self.by_stratum = [order[start:end] for start, end in pairwise(bounds) if start < end]

    def __len__(self) -> int:
        """Number of units with a label."""
        return int((self.labelled > 0).sum())

    def samples_of(self, units: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which samples belong to some units, ``(N,)``."""
        chosen = np.zeros(len(self.labelled), dtype=bool)
        chosen[units] = True
        return chosen[self._unit]

    def ranked(self, units: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Units in a pseudo-random order, which depends on the seed and on what they contain."""
        ranks = b"".join(
            hashlib.blake2b(f"{seed}:{self._key(unit)}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
            for unit in units.tolist()
        )
        return units[np.argsort(np.frombuffer(ranks, dtype="S16"))]

    def _members(self, unit: int) -> NDArray[np.int64]:
        return self._order[self._starts[unit] : self._starts[unit + 1]]

    def _key(self, unit: int) -> str:
        """What a unit contains: its groups' first name, or without groups the smallest digest."""
        if self._groups is None:  # then all digests of a unit are equal
            return f"input:{self._digests[self._order[self._starts[unit]]]}"
        members = self._members(unit).tolist()
        named = [str(group) for i in members if (group := self._groups[i]) is not None]
        return f"group:{min(named)}" if named else "input:" + min(self._digests[i] for i in members)


def _connected(digests: Sequence[str], groups: Sequence[str | None]) -> NDArray[np.int64]:
    """Number of the unit of each sample, ``(N,)``."""
    parent = list(range(len(digests)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, (digest, group) in enumerate(zip(digests, groups, strict=True)):
        keys = [("input", digest), *([] if group is None else [("group", str(group))])]
        for key in keys:
            parent[find(i)] = find(first.setdefault(key, i))
    return numbered([find(i) for i in range(len(digests))])


def _strata(labels: Sequence[Any]) -> Sequence[Any]:
    """Stratum of each sample: its class, the rarest of its classes, or the decile of its number.

    Numbers are classes if they repeat, and deciles otherwise.
    """
    present = [(label, count) for label, count in counted(labels) if label is not None]
    counts = [count for _, count in present]
    task = guess_task(labels)
    joined = any(isinstance(label, str) and SEPARATOR in label for label, _ in present)
    if task == "multilabel" or (joined and sum(counts) < REPEATED * len({label for label, _ in present})):
        return _rarest(labels)
    numbers: list[float] = []
    try:
        numbers = [float(label) for label, _ in present]
    except (TypeError, ValueError):
        numbers = []
    distinct = len(set(numbers))
    repeated = not numbers or sum(counts) >= REPEATED * distinct
    if (distinct > 20 or task == "regression") and not (repeated and (task == "classification" or distinct <= 20)):
        edges = np.quantile(np.repeat(numbers, counts), np.linspace(0, 1, 11)[1:-1])
        return mapped(labels, lambda label: None if label is None else int(np.searchsorted(edges, float(label))))
    return mapped(labels, lambda label: None if label is None else str(label))


def _rarest(labels: Sequence[Any]) -> Sequence[Any]:
    """The rarest class of each sample, so that few strata are small, and each class is on both sides if it can be."""
    sets = mapped(labels, lambda label: None if label is None else class_names(label))
    counts: Counter[str] = Counter()
    for names, count in counted(sets):
        for name in names or ():
            counts[name] += count
    return mapped(
        sets, lambda names: None if names is None else min(names, key=lambda name: (counts[name], name), default="")
    )
