"""Finding and reading ``comparison.json``."""

import json
from pathlib import Path

from pydantic import ValidationError

from aft.errors import RunError, UsageError
from aft.reporting._comparison import FORMAT, Comparison
from aft.reporting._names import all_visible, visible

FILE = "comparison.json"


def read_all(folder: Path) -> dict[str, Comparison]:
    """Read the comparison of a folder, or those of its subfolders.

    Args:
        folder: What ``aft compare`` wrote to, or a folder of such folders.

    Returns:
        Comparisons by the name of their folder, sorted.

    Raises:
        UsageError: No such folder, or no comparison in it.
        RunError: A file that is no comparison.
    """
    if not folder.is_dir():
        raise UsageError(
            f"aft report takes the folder of a comparison; there is none at {str(folder)!r}; check the path"
        )
    found = [folder / FILE] if (folder / FILE).exists() else sorted(folder.glob(f"*/{FILE}"))
    if not found:
        raise UsageError(
            f"a report is made of a finished comparison; neither {str(folder)!r} nor a folder in it holds {FILE}; run aft compare to its end first"
        )
    return {visible(path.resolve().parent.name) or "comparison": read(path) for path in found}


def read(path: Path) -> Comparison:
    """Read one comparison.

    Args:
        path: The file.

    Returns:
        The comparison, with every string of it fit to be shown.

    Raises:
        RunError: Damaged, of another format, or without a finished method.
    """
    try:
        # NaN and infinity are no JSON, but Python writes them: a number that could not be had.
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
        document = all_visible(document)
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise RunError(
            f"a comparison is a JSON file; {str(path)!r} cannot be read as one ({reason}); run aft compare again"
        ) from error
    if not isinstance(document, dict) or "format" not in document:
        raise RunError(f"a comparison says its format; {str(path)!r} does not; run aft compare again")
    if document["format"] != FORMAT:
        raise RunError(
            f"this aft reads comparisons of format {FORMAT}; {str(path)!r} is of format {str(document['format'])[:20]!r}; use the aft that wrote it, or run aft compare again"
        )
    if document.get("rows") == []:
        raise RunError(
            f"a report needs at least one finished method; {str(path)!r} has none; run aft compare to its end first"
        )
    try:
        return Comparison.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        raise RunError(
            f"a comparison of format {FORMAT} fits its schema; {str(path)!r} does not at {where!r} ({first['msg']}); run aft compare again"
        ) from error
