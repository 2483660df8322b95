"""Which classes are taken for which."""

from collections.abc import Sequence
from dataclasses import dataclass

from aft.reporting._comparison import Comparison, Row
from aft.reporting._names import method_name

#: More classes than this make a matrix that nobody reads.
LARGEST = 12
PAIRS = 15


@dataclass(frozen=True)
class Cell:
    """One pair of a class and an answer.

    Attributes:
        count: How many samples, over all seeds.
        part: Of the class's samples.
        right: Whether the answer is the class.
    """

    count: int
    part: float
    right: bool


@dataclass(frozen=True)
class Confusion:
    """One method's confusions: a matrix where there are few classes, else the pairs most often confused.

    Attributes:
        method: The method.
        classes: Names of the classes.
        cells: A row a class, a cell an answer; empty where there are many classes.
        pairs: Class, answer, cell; empty where there are few classes.
    """

    method: str
    classes: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    pairs: Sequence[tuple[str, str, Cell]]


def confusions(comparison: Comparison) -> list[Confusion]:
    """Describe the confusions of the best method, then of fine-tuning.

    Args:
        comparison: What is shown.

    Returns:
        At most two.
    """
    others = [row for row in comparison.rows if row.method != "finetune" and row.confusion and row.error is not None]
    best = min(others, key=lambda row: row.error or 0.0, default=None)
    finetune = comparison.finetune
    return [_confusion(row, comparison.task.classes) for row in (best, finetune) if row is not None and row.confusion]


def _confusion(row: Row, classes: Sequence[str]) -> Confusion:
    counts = row.confusion or []
    names = list(classes) if len(classes) == len(counts) else [f"class {n}" for n in range(len(counts))]
    cells = [
        [Cell(round(count), count / sum(line) if sum(line) else 0.0, truth == answer) for answer, count in enumerate(line)]
        for truth, line in enumerate(counts)
    ]  # fmt: skip
    if len(names) <= LARGEST:
        return Confusion(method_name(row.method), names, cells, [])
    wrong = [
        (names[truth], names[answer], cell)
        for truth, line in enumerate(cells)
        for answer, cell in enumerate(line)
        if not cell.right and cell.count
    ]
    return Confusion(method_name(row.method), names, [], sorted(wrong, key=lambda pair: -pair[2].count)[:PAIRS])
