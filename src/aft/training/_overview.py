"""How the data was read, shown before anything is trained."""

from collections import Counter
from typing import Any

from aft.errors import name_some, printable, shorten
from aft.training._problem import Problem

#: Number of classes that are listed with their counts, and about the most characters of the list.
CLASSES, WIDTH = 20, 160


def overview(problem: Problem, plan: str) -> list[str]:
    """Say how the data was read.

    Args:
        problem: What is going to be trained.
        plan: How many trainings there will be, and how long they will take.

    Returns:
        Lines: where the samples come from, the task and why it is that task, the classes, the samples by use, what was
        skipped, the student, the teachers and the plan.
    """
    dataset, counts = problem.dataset, problem.counts
    source = {key: value for key, value in dataset.source.items() if key not in ("kind", "path", "labels")}
    columns = ", ".join(f"{role}={column}" for role, column in source.items())
    held_out = problem.trains_on_validation
    rows = [
        ("data", f"{dataset.source.get('path', '')}" + (f" ({columns})" if columns else "")),
        ("task", _task(problem)),
        (
            "samples",
            f"{counts.labelled} labelled and {counts.unlabelled} unlabelled for training, {counts.validation} "
            f"{'of the labelled ones' if held_out else 'more'} {_unlabelled(problem)}for validation, {counts.test} for testing",
        ),
    ]
    if dataset.skipped:
        reasons = Counter(skipped.reason for skipped in dataset.skipped)
        listed = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3))
        ids = name_some(skipped.id for skipped in dataset.skipped)
        rows.append(("skipped", f"{len(dataset.skipped)} samples, {ids}: {listed}"))
    rows.append(("student", f"{problem.students.name}, {problem.template.size():,} parameters"))
    if problem.stores:
        rows.append(("teachers", ", ".join(f"{store.name} ({store.dim} dimensions)" for store in problem.stores)))
    rows.append(("plan", plan))
    return [f"{name:9} {shorten(printable(value))}" for name, value in rows]


def _task(problem: Problem) -> str:
    targets = problem.targets
    labels = [label for label in _training_labels(problem) if label is not None]
    if targets.kind == "regression":
        values = [float(label) for label in labels]
        return f"regression{_reason(problem, labels)}; labels from {min(values):g} to {max(values):g}"
    encoded = targets.encode(labels, [""] * len(labels))[0]
    counts = (
        encoded.sum(axis=0).astype(int).tolist() if targets.kind == "multilabel" else _count(encoded, targets.outputs)
    )
    ordered = sorted(zip(targets.classes, counts, strict=True), key=lambda item: -item[1])
    shown: list[str] = []
    for name, count in ordered[:CLASSES]:
        shown.append(f"{name if len(name) <= 30 else name[:27] + '...'} {count}")
        if len(", ".join(shown)) > WIDTH:
            break
    rest = f" and {len(ordered) - len(shown)} more" if len(ordered) > len(shown) else ""
    return f"{targets.name}{_reason(problem, labels)}; {len(ordered)} classes: {', '.join(shown)}{rest}"


def _unlabelled(problem: Problem) -> str:
    held = len(problem.unlabelled_validation)
    return f"and, in the search, {held} of the unlabelled ones " if held else ""


def _count(encoded: Any, classes: int) -> list[int]:
    counted = Counter(encoded.tolist())
    return [counted[index] for index in range(classes)]


def _training_labels(problem: Problem) -> list[Any]:
    labels = problem.dataset.labels or []
    return [labels[position] for position in problem.splits.train.tolist()]


def _reason(problem: Problem, labels: list[Any]) -> str:
    """Why the task is this one."""
    if problem.config.task != "auto" or problem.config.order:
        return ", as given"
    if problem.dataset.source.get("labels") == "folders":
        return ", since folders are classes"
    if problem.targets.kind == "multilabel":
        return ", since labels are lists"
    if problem.targets.kind == "regression":
        return ", since labels have fractions or are of type float"
    try:
        [float(label) for label in labels]
    except (TypeError, ValueError):
        return ", since labels are not numbers"
    return ", since labels are integers; the task 'regression' would treat them as numbers"
