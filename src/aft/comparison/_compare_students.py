"""``aft.compare_students``."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from aft.comparison._compare import compare
from aft.data import Dataset
from aft.errors import UsageError
from aft.features import FeatureStore
from aft.models import parse_parts
from aft.results import Pareto, make_pareto, short_name
from aft.runs import SharedSettings, TrainConfig

log = logging.getLogger("aft")


class CompareArguments(SharedSettings, total=False):
    """The arguments of `aft.compare` that are the same for all students."""

    methods: Sequence[str]
    seeds: int
    config: TrainConfig | None
    options: Mapping[str, Mapping[str, Any]] | None
    processes: int | None
    threads: int
    progress: bool


def compare_students(
    dataset: Dataset,
    students: Sequence[str],
    features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path,
    *,
    out: str | Path,
    **arguments: Unpack[CompareArguments],
) -> Pareto:
    """Compare methods with each of several students, to find the smallest that is good enough.

    Args:
        dataset: The samples, with a test split, or enough of them to hold one out.
        students: Names of students.
        features: The teachers' feature stores, or their directories.
        out: The directory. The comparison of each student is in a subdirectory.
        **arguments: Further arguments of `aft.compare`.

    Returns:
        Error, latency and size of every student with every method, and of what needs no student.

    Raises:
        AftError: As for `aft.compare`.

    Example:
        >>> found = aft.compare_students(dataset, ["aft:static", "aft:ngrams"], ["features/mpnet"], out="runs/students")
        >>> print(found.conclusion)
    """
    root = Path(out)
    found = {}
    for name, student in _directories(students).items():
        log.info("student %s", student)
        found[name] = compare(dataset, student, features, out=root / name, **arguments)
    return make_pareto(root, found)


def _directories(students: Sequence[str]) -> dict[str, str]:
    """Students by the name of their directory."""
    if isinstance(students, str) or not students or not all(isinstance(student, str) for student in students):
        raise UsageError(
            f"students= is a list of names; received {students!r:.80}; pass for example ['aft:static', 'aft:ngrams'], and a module as "
            "python:module:factory"
        )
    found: dict[str, str] = {}
    for student in dict.fromkeys(students):
        parse_parts(student)  # a mistake in the last name shows before the first student is trained
        readable = re.sub(r"[^\w.=,-]+", "-", short_name(student))
        same = sum(name.partition("~")[0] == readable for name in found)
        found[f"{readable}~{same + 1}" if same else readable] = student
    return found
