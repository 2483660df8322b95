"""Which classes are confused with which."""

from collections.abc import Sequence
from dataclasses import dataclass

from aft.results import ComparisonResult, MethodResult

#: Most classes for which a matrix is still readable.
LARGEST = 12
PAIRS = 15


@dataclass(frozen=True)
class Cell:
    """The samples of one class that got one prediction.

    Attributes:
        count: Number of samples, summed over the seeds.
        share: Share of the samples of the class.
        correct: Whether the prediction is the class.
    """

    count: int
    share: float
    correct: bool


@dataclass(frozen=True)
class Confusion:
    """The confusions of one method: a matrix where there are few classes, else the most frequent pairs.

    Attributes:
        method: Name of the method.
        classes: Names of the classes.
        cells: Rows are true classes, columns are predictions; empty where there are many classes.
        pairs: True class, predicted class and cell; empty where there are few classes.
    """

    method: str
    classes: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    pairs: Sequence[tuple[str, str, Cell]]


def confusions(comparison: ComparisonResult) -> list[Confusion]:
    """Collect the confusions of the best method and of fine-tuning.

    Args:
        comparison: The result.

    Returns:
        At most two.
    """
    others = [
        result
        for result in comparison.methods
        if result.method != "finetune" and result.confusion and result.error is not None
    ]
    best = min(others, key=lambda result: result.error or 0.0, default=None)
    return [
        _confusion(result, comparison.task.classes)
        for result in (best, comparison.finetune)
        if result is not None and result.confusion
    ]


def _confusion(result: MethodResult, classes: Sequence[str]) -> Confusion:
    counts = result.confusion or ()
    names = list(classes) if len(classes) == len(counts) else [f"class {n}" for n in range(len(counts))]
    cells = [
        [Cell(round(count), count / sum(line) if sum(line) else 0.0, truth == answer) for answer, count in enumerate(line)]
        for truth, line in enumerate(counts)
    ]  # fmt: skip
    if len(names) <= LARGEST:
        return Confusion(result.method, names, cells, [])
    wrong = [
        (names[truth], names[answer], cell)
        for truth, line in enumerate(cells)
        for answer, cell in enumerate(line)
        if not cell.correct and cell.count
    ]
    return Confusion(result.method, names, [], sorted(wrong, key=lambda pair: -pair[2].count)[:PAIRS])
