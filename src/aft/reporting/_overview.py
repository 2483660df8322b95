"""The table of several comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aft.results import ComparisonResult


@dataclass(frozen=True)
class OverviewRow:
    """The normalised errors of one comparison.

    Attributes:
        number: Number of the comparison on the page.
        name: Name of the comparison.
        cells: For each method, the error as text and whether it is the lowest of the row.
    """

    number: int
    name: str
    cells: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Overview:
    """Normalised errors, with one row per comparison and one column per method.

    Attributes:
        methods: Names of the columns.
        rows: The rows.
        means: Mean of each column that has no gaps.
    """

    methods: Sequence[str]
    rows: Sequence[OverviewRow]
    means: Sequence[str]


def overview(comparisons: Mapping[str, ComparisonResult]) -> Overview:
    """Collect the normalised errors of several comparisons.

    Args:
        comparisons: Results by name.

    Returns:
        The table.
    """
    tables = [
        {result.method: result.normalised for result in comparison.methods} for comparison in comparisons.values()
    ]
    methods = list(dict.fromkeys(method for table in tables for method in table))
    rows = []
    for number, (name, table) in enumerate(zip(comparisons, tables, strict=True), 1):
        known = [value for value in table.values() if value is not None]
        values = [table.get(method) for method in methods]
        cells = [("–", False) if value is None else (f"{value:.2f}", value == min(known)) for value in values]
        rows.append(OverviewRow(number, name, cells))
    means = []
    for method in methods:
        column = [value for table in tables if (value := table.get(method)) is not None]
        means.append(f"{sum(column) / len(column):.2f}" if len(column) == len(tables) else "–")
    return Overview(methods, rows, means)
