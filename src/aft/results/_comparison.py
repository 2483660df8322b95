"""A finished comparison on disk."""

from dataclasses import dataclass, field
from pathlib import Path

from aft.errors import RunError
from aft.results._files import COMPARISON_FILE
from aft.results._method_result import MethodResult
from aft.results._schema import ComparisonResult
from aft.results._table import format_table


@dataclass(frozen=True)
class Comparison:
    """A finished comparison. ``print`` shows it as a table.

    Args:
        path: Its directory.
        result: The content of its ``comparison.json``.

    Example:
        >>> comparison = aft.Comparison.open("comparison")
        >>> [method.mean for method in comparison.methods]
        [0.361, 0.322]
    """

    path: Path
    result: ComparisonResult = field(repr=False)

    @classmethod
    def open(cls, directory: str | Path) -> "Comparison":
        """Read a finished comparison.

        Args:
            directory: The ``out`` of `aft.compare`.

        Returns:
            The comparison.

        Raises:
            RunError: There is no finished comparison, or its result cannot be read.
        """
        path = Path(directory) / COMPARISON_FILE
        if not path.exists():
            raise RunError(
                f"a finished comparison holds {COMPARISON_FILE}; there is none in {str(directory)!r}; "
                "run aft compare, or run it again if it was interrupted"
            )
        return cls(Path(directory), ComparisonResult.read(path))

    @property
    def methods(self) -> tuple[MethodResult, ...]:
        """The result of each method, in the order in which they were requested."""
        return self.result.methods

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What the numbers mean, in sentences."""
        return self.result.conclusions

    def __str__(self) -> str:
        return format_table(self.result)
