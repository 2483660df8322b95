"""What was run, with which software, and how long it took."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from aft.core import format_size
from aft.reporting._numbers import Unit, seconds, significant
from aft.results import ComparisonResult, Student, Teacher


def facts(comparison: ComparisonResult, unit: Unit) -> list[tuple[str, list[str]]]:
    """List what was run.

    Args:
        comparison: The result.
        unit: How errors are formatted.

    Returns:
        Terms, each with at least one line.
    """
    task, student, cost = comparison.task, comparison.student, comparison.cost
    kind = task.kind if task.kind == "regression" else f"{task.kind}, {len(task.classes)} classes"
    rows = [
        ("Data", [_pairs(task.source)]),
        ("Task", [kind]),
        ("Samples", [", ".join(f"{count:,} {name}" for name, count in task.samples.items() if count is not None)]),
        ("Student", [student.name, _student(student)]),
        ("Teachers", [_teacher(teacher, unit) for teacher in comparison.teachers] or ["none"]),
        ("Seeds", [", ".join(map(str, comparison.seeds))]),
        (
            "Time",
            [
                f"{seconds(cost.seconds)} for all trainings" if cost.seconds is not None else "",
                f"{seconds(cost.extraction_seconds)} for extracting the teachers’ features, which are cached"
                if cost.extraction_seconds is not None
                else "",
            ],
        ),
        (
            "Environment",
            [f"aft {comparison.aft}" if comparison.aft else "", _pairs(comparison.environment.model_dump())],
        ),
    ]
    return [(name, [line for line in lines if line]) for name, lines in rows if any(lines)]


def data_name(comparison: ComparisonResult, default: str) -> str:
    """The file name of the data of a comparison, or the default where it has none."""
    path = comparison.task.source.get("path")
    return (PurePath(path.replace("\\", "/")).name if isinstance(path, str) else "") or default


def _student(student: Student) -> str:
    parts = [
        f"{student.parameters:,} parameters" if student.parameters is not None else "",
        format_size(student.bytes) if student.bytes is not None else "",
        f"{significant(student.latency_ms)} ms per sample" if student.latency_ms is not None else "",
        f"{student.throughput:,.0f} samples per second" if student.throughput is not None else "",
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


def _pairs(table: Mapping[str, Any]) -> str:
    """Keys with their values, without those that are nested or None."""
    return ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in table.items() if isinstance(value, str | int | float)
    )
