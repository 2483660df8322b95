"""Where results are on disk."""

from pathlib import Path

from aft.errors import UsageError
from aft.results._schema import ComparisonResult

#: Name of the file in the directory of a comparison. It is written last, so only a finished comparison has it.
COMPARISON_FILE = "comparison.json"


def read_all(directory: str | Path) -> dict[str, ComparisonResult]:
    """Read the result of a comparison, or the results in all subdirectories.

    Args:
        directory: The directory of a comparison, or a directory of such directories.

    Returns:
        Results by the name of their directory, sorted.

    Raises:
        UsageError: There is no such directory, or no finished comparison in it.
        RunError: A result cannot be read.

    Example:
        >>> list(read_all("comparisons"))
        ['pets', 'reviews']
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UsageError(
            f"a report needs the directory of a comparison; there is none at {str(directory)!r}; check the path"
        )
    path = directory / COMPARISON_FILE
    if path.exists():
        return {directory.resolve().name or "comparison": ComparisonResult.read(path)}
    found = sorted(directory.glob(f"*/{COMPARISON_FILE}"))
    if not found:
        raise UsageError(
            f"a report needs a finished comparison; neither {str(directory)!r} nor its subdirectories hold "
            f"{COMPARISON_FILE}; run aft compare to completion first"
        )
    return {path.parent.name: ComparisonResult.read(path) for path in found}
