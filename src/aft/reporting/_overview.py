"""Several comparisons side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from aft.reporting._comparison import Comparison
from aft.reporting._names import method_name


@dataclass(frozen=True)
class OverviewRow:
    """One comparison's normalised errors.

    Attributes:
        number: Of the comparison on the page.
        name: Of the comparison.
        cells: A text a method, and whether it is the lowest.
    """

    number: int
    name: str
    cells: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Overview:
    """Normalised errors, a row a comparison and a column a method.

    Attributes:
        methods: The columns.
        rows: The rows.
        means: Over the comparisons, of each method that all of them have.
    """

    methods: Sequence[str]
    rows: Sequence[OverviewRow]
    means: Sequence[str]


def overview(comparisons: dict[str, Comparison]) -> Overview:
    """Put the normalised errors of several comparisons into one table.

    Args:
        comparisons: By name.

    Returns:
        The table.
    """
    tables = [{row.method: row.normalised for row in comparison.rows} for comparison in comparisons.values()]
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
    return Overview([method_name(method) for method in methods], rows, means)
