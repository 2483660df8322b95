"""Reading the JSON document of a result, before its schema is checked."""

import json
from pathlib import Path
from typing import Any, Final

from aft.errors import RunError

#: Version of the schema, the ``format`` of a document.
FORMAT: Final = 1


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON file and check the format that it states.

    Args:
        path: The file.

    Returns:
        The document. NaN and infinity, which Python writes although JSON lacks them, are None.

    Raises:
        RunError: The file is missing, is not JSON, has another format, or has no finished method.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise RunError(
            f"a comparison's result is a JSON file; {str(path)!r} cannot be read as one ({reason}); run aft compare again"
        ) from error
    if not isinstance(document, dict) or "format" not in document:
        raise RunError(f"a comparison's result must state its format; {str(path)!r} does not; run aft compare again")
    if document["format"] != FORMAT:
        raise RunError(
            f"this version of aft reads comparisons of format {FORMAT}; {str(path)!r} has format "
            f"{str(document['format'])[:20]!r}; use the version of aft that wrote it, or run aft compare again"
        )
    if document.get("methods") == []:
        raise RunError(
            f"a comparison's result needs at least one finished method; {str(path)!r} has none; "
            "run aft compare to completion first"
        )
    return document
