"""``aft.report``."""

from pathlib import Path

from aft.errors import UsageError
from aft.reporting._page import GENERATOR, render
from aft.reporting._reading import read_all

NAME = "report.html"


def report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Make one HTML page of a comparison, or of all comparisons in a folder.

    The page needs nothing but itself: no network, no script, no other file.

    Args:
        folder: What ``aft compare`` wrote to, or a folder of such folders.
        out: The file; by default ``report.html`` in the folder. An earlier page there is replaced.

    Returns:
        The file.

    Raises:
        UsageError: No finished comparison there, or a file that is not to be written over.
        RunError: A comparison that cannot be read.

    Example:
        >>> aft.report("comparison")
        PosixPath('comparison/report.html')
    """
    comparisons = read_all(Path(folder))
    target = Path(folder) / NAME if out is None else Path(out)
    _check_target(target)
    page = render(comparisons)
    temporary = target.with_name(f".writing-{target.name}")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(target)
    return target


def _check_target(target: Path) -> None:
    """A wrong ``--out`` must not cost anybody a file: only a page of ours is replaced."""
    if not target.parent.is_dir():
        raise UsageError(f"a report needs a folder to go to; there is none at {str(target.parent)!r}; make it first")
    if not target.exists():
        return
    if target.is_dir():
        raise UsageError(f"a report is a file; {str(target)!r} is a folder; name a file in it with --out")
    with target.open("rb") as file:
        if f'content="{GENERATOR}'.encode() not in file.read(2000):
            raise UsageError(
                f"a report replaces only an earlier report; {str(target)!r} is something else; choose another --out"
            )
