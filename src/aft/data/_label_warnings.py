"""Classes that are probably one class, written in two ways."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aft.data._column import taken
from aft.data._equal import numbered
from aft.data._repeated import array_of, counted, is_present
from aft.data._targets import Targets
from aft.errors import name_some

#: Names that often stand for a missing label.
MISSING = frozenset({"na", "n/a", "nan", "none", "null", "missing", "unknown", "?", "-"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def sample_warnings(targets: Targets, digests: Sequence[str], labels: Sequence[Any]) -> list[str]:
    """Say which samples look like mistakes: inputs with several labels, and classes of one sample.

    Args:
        targets: The task.
        digests: Digest of each input.
        labels: Labels of the same samples; None where a sample has none.

    Returns:
        Sentences; none for a regression task.
    """
    if targets.kind == "regression":
        return []
    known = np.flatnonzero(array_of(labels, is_present, bool))
    present = taken(labels, known)
    inputs, label = numbered(digests)[known], numbered(present)
    one = np.zeros(inputs.max(initial=-1) + 1, dtype=np.int64)
    one[inputs] = label  # one of each input's labels
    warnings = []
    several = len(np.unique(inputs[one[inputs] != label]))
    if several:
        warnings.append(
            f"{several} {'input occurs' if several == 1 else 'inputs occur'} with different labels, which nothing can learn; check them"
        )
    counts: Counter[str] = Counter()
    for value, count in counted(present):
        counts[str(value)] += count
    single = sorted(name for name, count in counts.items() if count == 1)
    if single and targets.kind == "classification":
        are = "is a class" if len(single) == 1 else "are classes"
        warnings.append(f"{name_some(single)} {are} of one sample, which cannot be both learned and tested")
    return warnings


def label_warnings(targets: Targets) -> list[str]:
    """Say which classes look like mistakes in the labels.

    Args:
        targets: The task.

    Returns:
        Sentences; none for a regression task.
    """
    classes = targets.classes
    warnings = [
        f"labels {name_some(names)} differ only in {how}, and are different classes; correct them if they should be one"
        for how, names in (
            *(("case or spaces", names) for names in _groups(classes, _folded)),
            *(("how a number is written", names) for names in _groups(classes, _number)),
        )
    ]
    missing = [name for name in classes if name.casefold() in MISSING]
    if missing:
        warnings.append(
            f"labels {name_some(missing)} are classes; if they stand for samples without a label, "
            "leave the cells empty or name the words with missing="
        )
    commas = [name for name in classes if _DECIMAL_COMMA.fullmatch(name)]
    if len(commas) > 1:
        warnings.append(
            f"labels such as {name_some(commas)} are classes; write numbers with a decimal point for a regression task"
        )
    return warnings


def _groups(classes: Sequence[str], normalise: Callable[[str], str | None]) -> list[list[str]]:
    """Classes that are equal once they are normalised."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        normalised = normalise(name)
        if normalised is not None:
            groups[normalised].append(name)
    return [names for names in groups.values() if len(names) > 1]


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _number(name: str) -> str | None:
    try:
        return repr(float(name))
    except ValueError:
        return None
