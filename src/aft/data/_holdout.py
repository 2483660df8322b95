"""Holding out samples: stratified by label, without dividing groups or equal inputs."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def assign_splits(values: Sequence[Any]) -> list[str]:
    """Normalise the names of splits in a table or folder.

    Args:
        values: One per sample: ``train``, ``training``, ``val``, ``valid``, ``validation``, ``dev``, ``test``
            or ``testing``, in upper or lower case.

    Returns:
        One of `SPLITS` per sample.

    Raises:
        DataError: An unknown name or an empty cell.
    """
    result = []
    for row, value in enumerate(values, start=1):
        word = "" if is_missing(value) else str(value).strip().lower()
        if word not in _SPELLINGS:
            raise DataError(
                f"a split is train, validation or test; received {value!r} in row {row}{did_you_mean(word, _SPELLINGS)}"
            )
        result.append(_SPELLINGS[word])
    return result


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
    strata = _strata(labels)
    by_stratum = _units_by_stratum(_units(digests, groups), strata)
    if sum(map(len, by_stratum.values())) < 2:
        raise DataError(
            "a held-out split needs at least two labelled samples, with different inputs and of different groups; received fewer; "
            "label more samples, or add a split column"
        )
    held = np.zeros(len(digests), dtype=bool)
    carried = 0.0
    for stratum in sorted(by_stratum, key=str):
        ordered = sorted(by_stratum[stratum], key=lambda m: _rank(m, digests, groups, seed))
        labelled_count = sum(strata[i] is not None for unit in ordered for i in unit)
        wanted, taken = fraction * labelled_count + carried, 0
        for unit in ordered[:-1]:  # training keeps at least one unit of every class
            size = sum(strata[i] is not None for i in unit)
            if taken + size / 2 > wanted:
                break
            held[unit] = True
            taken += size
        carried = wanted - taken
    if not held.any():
        # Ties are broken by name, since the order of the samples must not matter.
        largest = by_stratum[max(sorted(by_stratum, key=str), key=lambda stratum: len(by_stratum[stratum]))]
        held[min(largest, key=lambda m: _rank(m, digests, groups, seed))] = True
    if held.all():
        raise DataError(
            "a held-out split must leave samples for training; received too few groups; add samples, or a split column"
        )
    return held


def _units(digests: Sequence[str], groups: Sequence[str | None] | None) -> list[list[int]]:
    """Positions of samples that must stay together: those connected by equal inputs or equal groups."""
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


def _units_by_stratum(units: list[list[int]], strata: list[Any]) -> dict[Any, list[list[int]]]:
    """Assign each unit to its most frequent stratum. Units without any label stay in training."""
    by_stratum: dict[Any, list[list[int]]] = defaultdict(list)
    for members in units:
        labelled = Counter(strata[i] for i in members if strata[i] is not None)
        if labelled:
            by_stratum[min(labelled, key=lambda s: (-labelled[s], str(s)))].append(members)
    return by_stratum


def _rank(members: list[int], digests: Sequence[str], groups: Sequence[str | None] | None, seed: int) -> bytes:
    """A pseudo-random sort key that depends on the seed and on what the unit contains."""
    named = [groups[i] for i in members if groups is not None and groups[i] is not None] if groups is not None else []
    key = "group:" + min(map(str, named)) if named else "input:" + min(digests[i] for i in members)
    return hashlib.blake2b(f"{seed}:{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _strata(labels: Sequence[Any]) -> list[Any]:
    """Stratum of each sample: its class, the rarest of its classes, or the decile of its number.

    Numbers are classes if they repeat, and deciles otherwise.
    """
    present = [label for label in labels if label is not None]
    task = guess_task(labels)
    joined = any(isinstance(label, str) and SEPARATOR in label for label in present)
    if task == "multilabel" or (joined and len(present) < REPEATED * len(set(present))):
        return _rarest(labels)
    numbers: list[float] = []
    try:
        numbers = [float(label) for label in present]
    except (TypeError, ValueError):
        numbers = []
    distinct = len(set(numbers))
    repeated = len(numbers) >= REPEATED * distinct
    if (distinct > 20 or task == "regression") and not (repeated and (task == "classification" or distinct <= 20)):
        edges = np.quantile(numbers, np.linspace(0, 1, 11)[1:-1])
        return [None if label is None else int(np.searchsorted(edges, float(label))) for label in labels]
    return [None if label is None else str(label) for label in labels]


def _rarest(labels: Sequence[Any]) -> list[Any]:
    """The rarest class of each sample, so that few strata are small, and each class is on both sides if it can be."""
    sets = [None if label is None else class_names(label) for label in labels]
    counts = Counter(name for names in sets for name in names or ())
    return [None if names is None else min(names, key=lambda n: (counts[n], n), default="") for names in sets]
