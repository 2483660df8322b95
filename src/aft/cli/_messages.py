"""Library errors in the words of the command line: the library names parameters, the command line names options."""

import re
from collections.abc import Iterable


def name_options(message: str, options: Iterable[str]) -> str:
    """Write the parameters of a message as command-line options.

    Args:
        message: A message that writes parameters as ``name=`` or ``name=value``.
        options: Names of all options.

    Returns:
        The message with ``--name`` or ``--name value`` instead; a value of True is dropped, since it is a flag.

    Example:
        >>> name_options("choose another out=, or pass overwrite=True", ["out", "overwrite"])
        'choose another --out, or pass --overwrite'
    """
    names = "|".join(sorted(map(re.escape, options), key=len, reverse=True))

    def replace(match: re.Match[str]) -> str:
        if match["name"] is None:
            return match[0]
        value = match["quoted"] if match["quoted"] is not None else match["bare"]
        option = "--" + match["name"].replace("_", "-")
        return option if value in (None, "", "True") else f"{option} {value}"

    # What is quoted was received, and is left alone; so is a name that is part of a longer word.
    quoted = r"""(?<!\w)'[^']*'|(?<!\w)"[^"]*\""""
    parameter = rf"(?<![^\s(])(?P<name>{names})=(?:'(?P<quoted>[^']*)'|(?P<bare>\w[\w.]*)?)"
    return re.sub(rf"{quoted}|{parameter}", replace, message)
