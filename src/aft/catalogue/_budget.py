"""Students for a budget of latency, parameters or bytes, with what they were measured to need."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from aft.errors import UsageError

#: Units of a budget, with the attribute that they limit and their size in its unit.
UNITS: dict[str, tuple[str, float]] = {
    "ms": ("latency_ms", 1.0), "us": ("latency_ms", 1e-3), "s": ("latency_ms", 1e3),
    "k": ("parameters", 1e3), "m": ("parameters", 1e6),
    "kb": ("bytes", 1e3), "mb": ("bytes", 1e6), "gb": ("bytes", 1e9),
}  # fmt: skip
_BUDGET = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([a-zA-Z]+)\s*")


@dataclass(frozen=True)
class MeasuredStudent:
    """A student, and what it needs: benchmarks/students.py measures it.

    Attributes:
        name: Its name, as for ``--student``.
        inputs: ``"image"`` or ``"text"``.
        parameters: Number of parameters, with a vocabulary of ten thousand sentences where the student has its own.
        bytes: Size of its weights in float32.
        latency_ms: Median time for one input by itself, from the raw input to the prediction, on one thread of a CPU.
        batch_ms: Time for an input in a batch.
        about: When to choose it.
    """

    name: str
    inputs: str
    parameters: int
    bytes: int
    latency_ms: float
    batch_ms: float
    about: str


def measured_students() -> tuple[MeasuredStudent, ...]:
    """All students that were measured, the fastest of each modality first."""
    rows = json.loads(files("aft.catalogue").joinpath("students.json").read_text(encoding="utf-8"))
    students = (MeasuredStudent(**row) for row in rows["students"])
    return tuple(sorted(students, key=lambda one: (one.inputs == "image", one.latency_ms)))


def within_budget(students: Sequence[MeasuredStudent], budget: str) -> tuple[MeasuredStudent, ...]:
    """Choose the students that a budget allows.

    Args:
        students: The students.
        budget: A time for one input such as ``"5ms"``, a number of parameters such as ``"2M"``, or a size such as ``"10MB"``.

    Returns:
        Those within the budget, those that use most of it first: what is larger usually learns more.

    Raises:
        UsageError: The budget is not a number with one of these units.

    Example:
        >>> within_budget(measured_students(), "1ms")[0].name
        'aft:ngrams'
    """
    found = _BUDGET.fullmatch(budget)
    unit = found[2].lower() if found else ""
    if found is None or unit not in UNITS:
        raise UsageError(
            f"a budget is a time, a number of parameters or a size; received {budget!r}; write for example 5ms, 2M or 10MB"
        )
    attribute, size = UNITS[unit]
    limit = float(found[1]) * size
    chosen = [one for one in students if getattr(one, attribute) <= limit]
    return tuple(sorted(chosen, key=lambda one: getattr(one, attribute), reverse=True))
