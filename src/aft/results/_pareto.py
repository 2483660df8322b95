"""The smallest student that is good enough: errors against latency and size, of several students and of what needs none."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aft.core import format_size
from aft.errors import UsageError, name_some, printable
from aft.results._comparison import Comparison
from aft.results._files import COMPARISON_FILE, read_all
from aft.results._method_result import MethodResult
from aft.results._schema import ComparisonResult
from aft.results._table import format_error

#: How far from the teachers' probe a student may be by default: two points, or for regression a tenth of the probe's error.
POINTS, SHARE = 0.02, 0.1


@dataclass(frozen=True)
class Candidate:
    """Something that could be deployed: a student trained with a method, or a baseline.

    Attributes:
        student: Name of the student; of the baseline where there is none.
        method: Name of the method; None for a baseline.
        error: Test error.
        latency_ms: Milliseconds for one sample.
        bytes: Size.
        preferred: Whether it is a baseline, or the method that did best for its student on validation data. Only such candidates
            can be the answer: the best of many test errors would be too optimistic.
        efficient: Whether no other candidate is better in one of error, latency and size without being worse in another.
    """

    student: str
    method: str | None
    error: float
    latency_ms: float | None
    bytes: int | None
    preferred: bool = True
    efficient: bool = False

    @property
    def name(self) -> str:
        """Name of the student and of the method."""
        return self.student if self.method is None else f"{short_name(self.student)} with {self.method}"


@dataclass(frozen=True)
class Pareto:
    """Candidates for one task, the fastest first. ``print`` shows them as a table.

    Attributes:
        path: Directory of the comparisons.
        comparisons: A comparison for each student, by name.
        candidates: What could be deployed.
        probe: Error of the probe on the teachers' features, the goal; None where it was not measured.
        within: How far from it is good enough.
        answer: The smallest candidate that is good enough, if any is.
        regression: Whether errors are in the unit of the label.

    Example:
        >>> print(aft.pareto("runs/students").conclusion)
        The smallest student within 2.0 points of the teachers' probe (12.6 %) is ...
    """

    path: Path
    comparisons: Mapping[str, Comparison] = field(repr=False)
    candidates: tuple[Candidate, ...]
    probe: float | None
    within: float
    answer: Candidate | None
    regression: bool = False

    @property
    def conclusion(self) -> str:
        """The answer in a sentence."""
        if self.probe is None:
            return "The teachers' probe was not measured, so there is no error to come near."
        distance = f"{self.within:.3g}" if self.regression else f"{100 * self.within:.1f} points"
        goal = f"within {distance} of the teachers' probe ({format_error(self.probe, self.regression)})"
        if self.answer is not None:
            kind, note = ("student", "") if self.answer.method is not None else ("model", ", which needs no student")
            return (
                f"The smallest {kind} {goal} is {self.answer.name}{note}: {_in_numbers(self.answer, self.regression)}."
            )
        nearest = min((one for one in self.candidates if one.preferred), key=lambda one: one.error)
        return f"No student comes {goal}; the nearest is {nearest.name}: {_in_numbers(nearest, self.regression)}."

    def __str__(self) -> str:
        lines = [f"{'':2}{'student':38}{'method':18}{'error':>9}{'ms a sample':>13}{'size':>10}"]
        if self.probe is not None:
            lines.append(f"{'':2}{'teachers' + chr(39) + ' probe':56}{format_error(self.probe, self.regression):>9}")
        for one in self.candidates:
            latency = "-" if one.latency_ms is None else f"{one.latency_ms:.2g}"
            size = "-" if one.bytes is None else format_size(one.bytes)
            error = format_error(one.error, self.regression)
            lines.append(
                f"{'*' if one.efficient else '':2}{printable(short_name(one.student))[:37]:38}{printable(one.method or '')[:17]:18}"
                f"{error:>9}{latency:>13}{size:>10}"
            )
        return "\n".join([*lines, "* no other is as good in error, latency and size"])


def pareto(directory: str | Path, within: float | None = None) -> Pareto:
    """Compare students by error, latency and size.

    Args:
        directory: The ``out`` of `aft.compare_students`, or any directory of comparisons on one task.
        within: How much larger than that of the teachers' probe the error may be, as a share of samples (0.02 is two points), or for
            regression in the unit of the label. The default is two points, or a tenth of the probe's error.

    Returns:
        The candidates and the answer.

    Raises:
        UsageError: There is no finished comparison, they are of several tasks, or the distance is negative.
        RunError: A result cannot be read.

    Example:
        >>> print(aft.pareto("runs/students", within=0.03))
    """
    _check_distance(within)
    root, results = Path(directory), read_all(directory)
    if not same_task(results):
        raise UsageError(
            f"students are compared on one task; the comparisons in {str(directory)!r} are of several ({name_some(list(results))}); "
            "name a directory for each task"
        )
    single = (root / COMPARISON_FILE).exists()
    found = {name: Comparison(root if single else root / name, result) for name, result in results.items()}
    return make_pareto(root, found, within)


def same_task(results: Mapping[str, ComparisonResult]) -> bool:
    """Whether all comparisons are of the same samples and labels."""
    tasks = [result.task for result in results.values()]
    return all(task == tasks[0] for task in tasks)


def make_pareto(root: Path, comparisons: Mapping[str, Comparison], within: float | None = None) -> Pareto:
    """Collect the candidates of comparisons on one task.

    Args:
        root: Their directory.
        comparisons: The comparisons by name.
        within: As for `pareto`.

    Returns:
        The candidates and the answer.

    Raises:
        UsageError: The distance is negative.
    """
    _check_distance(within)
    results = [comparison.result for comparison in comparisons.values()]
    found: dict[tuple[str, str | None], Candidate] = {}
    for result in results:
        for one in _candidates(result):
            # Every comparison has measured the baselines; the fastest measurement was disturbed least.
            known = found.setdefault((one.student, one.method), one)
            if (one.latency_ms or float("inf")) < (known.latency_ms or float("inf")):
                found[one.student, one.method] = one
    everything = list(found.values())
    ranked = sorted(
        (replace(one, efficient=_is_efficient(one, everything)) for one in everything),
        key=lambda one: (one.latency_ms is None, one.latency_ms or 0.0, one.error),
    )
    probe = next((result.probe.error for result in results if result.probe.error is not None), None)
    regression = results[0].task.kind == "regression"
    if within is None:
        within = SHARE * probe if regression and probe is not None else POINTS
    limit = float("inf") if probe is None else probe + within + 1e-12
    enough = [one for one in ranked if one.preferred and one.error <= limit and one.bytes is not None]
    answer = min(enough, key=lambda one: (one.bytes, one.error), default=None) if probe is not None else None
    return Pareto(root, comparisons, tuple(ranked), probe, within, answer, regression)


def _check_distance(within: float | None) -> None:
    if within is not None and not within >= 0:
        raise UsageError(f"within= is a distance from the teachers' error, 0 or more; received {within}; correct it")


def _candidates(result: ComparisonResult) -> list[Candidate]:
    student, preferred = result.student, _preferred(result)
    frozen = f"frozen {student.name}"
    baselines = [
        Candidate(frozen if one.name == "frozen student" else one.name, None, one.error, one.latency_ms, one.bytes)
        for one in result.baselines
        if one.error is not None
    ]
    methods = [
        Candidate(student.name, one.method, one.error, student.latency_ms, student.bytes, one.method == preferred)
        for one in result.methods
        if one.error is not None
    ]
    return [*baselines, *methods]


def _preferred(result: ComparisonResult) -> str:
    """The method with the lowest validation loss; without a search the first that is not fine-tuning."""
    losses = {one.method: loss for one in result.methods if (loss := _validation_loss(result, one)) is not None}
    if losses:
        return min(losses, key=losses.__getitem__)
    names = [one.method for one in result.methods]
    return next((name for name in names if name != "finetune"), names[0])


def _validation_loss(result: ComparisonResult, method: MethodResult) -> float | None:
    plain = result.finetune
    trials = [*method.trials, *(plain.trials if plain is not None else ())]
    losses = [trial.loss if trial.pooled_loss is None else trial.pooled_loss for trial in trials if method.chose(trial)]
    return next((loss for loss in losses if loss is not None), None)


def _is_efficient(one: Candidate, others: Sequence[Candidate]) -> bool:
    """Whether error, latency and size are known, and no other candidate is at least as good in all and better in one."""
    own, measured = _costs(one), [_costs(other) for other in others]
    if None in own:
        return False
    return not any(
        None not in costs and costs != own and all(a <= b for a, b in zip(costs, own, strict=True))  # type: ignore[operator]
        for costs in measured
    )


def _costs(one: Candidate) -> tuple[float | None, ...]:
    return (one.error, one.latency_ms, one.bytes)


def short_name(student: str) -> str:
    """A student's name without the folders of its path.

    Args:
        student: For example ``hf:/models/MiniLM,keep_layers=2``.

    Returns:
        For example ``hf:MiniLM,keep_layers=2``.
    """
    return "".join(part if part in ("+", "*") else _short_part(part) for part in re.split(r"([+*])(?=\w+:)", student))


def _short_part(name: str) -> str:
    model, comma, options = name.partition(",")
    kind, colon, path = model.partition(":")
    return f"{kind}{colon}{path.rstrip('/').rpartition('/')[2]}{comma}{options}"


def _in_numbers(one: Candidate, regression: bool) -> str:
    texts = [
        format_error(one.error, regression),
        "" if one.latency_ms is None else f"{one.latency_ms:.2g} ms a sample",
        "" if one.bytes is None else format_size(one.bytes),
    ]
    return ", ".join(text for text in texts if text)
