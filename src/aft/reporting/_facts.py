"""What was run, with what, and how long it took."""

from pathlib import PurePath
from typing import Any

from aft.core import format_size
from aft.reporting._comparison import Comparison, Teacher
from aft.reporting._numbers import Unit, seconds, significant


def facts(comparison: Comparison, unit: Unit) -> list[tuple[str, list[str]]]:
    """Say what was run.

    Args:
        comparison: What is shown.
        unit: How errors are written.

    Returns:
        Names, each with one line or more.
    """
    task, student, cost = comparison.task, comparison.student, comparison.cost
    kind = task.kind if task.kind == "regression" else f"{task.kind}, {len(task.classes)} classes"
    rows = [
        ("Data", [_pairs(task.source)]),
        ("Task", [kind]),
        ("Samples", [", ".join(f"{count:,} {name}" for name, count in task.samples.items() if count is not None)]),
        ("Student", [student.name, _student(comparison)]),
        ("Teachers", [_teacher(teacher, unit) for teacher in comparison.teachers] or ["none"]),
        ("Seeds", [", ".join(map(str, comparison.seeds))]),
        (
            "Time",
            [
                f"{seconds(cost.seconds)} for the comparison" if cost.seconds is not None else "",
                f"{seconds(cost.extraction_seconds)} for the teachers’ features, which are kept for the next time"
                if cost.extraction_seconds is not None
                else "",
            ],
        ),
        ("Made with", [f"aft {comparison.aft}" if comparison.aft else "", _pairs(comparison.environment)]),
    ]
    return [(name, [line for line in lines if line]) for name, lines in rows if any(lines)]


def name_of(comparison: Comparison, otherwise: str) -> str:
    """What to call a comparison: by its data, else as given."""
    path = comparison.task.source.get("path")
    return (PurePath(path.replace("\\", "/")).name if isinstance(path, str) else "") or otherwise


def _student(comparison: Comparison) -> str:
    student = comparison.student
    parts = [
        f"{student.parameters:,} parameters" if student.parameters is not None else "",
        format_size(student.bytes) if student.bytes is not None else "",
        f"{significant(student.latency_ms)} ms a sample" if student.latency_ms is not None else "",
        f"{student.throughput:,.0f} samples a second" if student.throughput is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _teacher(teacher: Teacher, unit: Unit) -> str:
    parts = [
        teacher.model or "",
        f"{teacher.dim:,} features" if teacher.dim is not None else "",
        f"{unit.name} of a linear probe {unit(teacher.probe_error)}" if teacher.probe_error is not None else "",
        f"LogME {significant(teacher.logme)}" if teacher.logme is not None else "",
    ]
    known = [part for part in parts if part]
    return f"{teacher.name}: {', '.join(known)}" if known else teacher.name


def _pairs(table: dict[str, Any]) -> str:
    """Names and plain values of a table; what is nested in it is left out."""
    return ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in table.items() if isinstance(value, str | int | float)
    )
