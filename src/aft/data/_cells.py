"""The cells of a column while it is read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aft.data._repeated import CompactBuilder
from aft.data._strings import StringsBuilder

#: The cells of each column, by its name.
Columns = dict[str, Sequence[Any]]


class Cells:
    """Collects the cells of a column, in little more memory than the characters of strings, and than a byte where few are different."""

    def __init__(self) -> None:
        self._strings = StringsBuilder()
        self._others: CompactBuilder | None = None  # as soon as a cell is no string

    def append(self, cell: Any) -> None:
        """Add a cell."""
        if self._others is None:
            if type(cell) is str:
                self._strings.append(cell)
                return
            self._others = CompactBuilder()
            for string in self._strings.build():
                self._others.append(string)
        self._others.append(cell)

    def extend(self, cells: Iterable[Any]) -> None:
        """Add cells."""
        several = list(cells)
        if self._others is None and all(type(cell) is str for cell in several):
            self._strings.extend(several)
            return
        for cell in several:
            self.append(cell)

    def build(self) -> Sequence[Any]:
        """All cells. Nothing can be added afterwards."""
        return self._strings.build() if self._others is None else self._others.build()


def build_all(columns: Mapping[str, Cells]) -> Columns:
    """All cells of several columns."""
    return {name: cells.build() for name, cells in columns.items()}
