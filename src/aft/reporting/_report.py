"""``aft.report``."""

from pathlib import Path

from aft.core import write_text
from aft.errors import UsageError
from aft.reporting._names import all_visible, visible
from aft.reporting._page import GENERATOR, render
from aft.results import ComparisonResult, read_all

REPORT_FILE = "report.html"


def report(directory: str | Path, out: str | Path | None = None) -> Path:
    """Create an HTML page from a comparison, or from all comparisons in a directory.

    The page is self-contained: it needs no network, no script and no other file.

    Args:
        directory: The directory of a comparison, or a directory of such directories.
        out: The file to write, by default ``report.html`` in the directory. An earlier report is replaced.

    Returns:
        The file.

    Raises:
        UsageError: There is no finished comparison, or ``out`` is something other than an earlier report.
        RunError: A comparison cannot be read.

    Example:
        >>> aft.report("comparison")
        PosixPath('comparison/report.html')
    """
    comparisons = {visible(name): _visible(result) for name, result in read_all(directory).items()}
    target = Path(directory) / REPORT_FILE if out is None else Path(out)
    _check_target(target)
    write_text(target, render(comparisons))
    return target


def _visible(result: ComparisonResult) -> ComparisonResult:
    return ComparisonResult.model_validate(all_visible(result.model_dump(mode="json")))


def _check_target(target: Path) -> None:
    """Reject targets that are not reports, so that a mistyped path cannot destroy a file."""
    if not target.parent.is_dir():
        raise UsageError(
            f"a report is written to an existing directory; there is none at {str(target.parent)!r}; create it first"
        )
    if not target.exists():
        return
    if target.is_dir():
        raise UsageError(f"a report is a file; {str(target)!r} is a directory; name a file in it with out=")
    with target.open("rb") as file:
        if f'content="{GENERATOR}'.encode() not in file.read(2000):
            raise UsageError(
                f"a report replaces only an earlier report; {str(target)!r} is something else; choose another out="
            )
