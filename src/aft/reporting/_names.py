"""Makes names chosen by users safe to show.

The templates escape HTML. This module handles characters that need no escaping and still mislead: right-to-left
overrides, control characters that no page may contain, and lone surrogates that no file can hold.
"""

import unicodedata
from typing import Any

#: Joiners are part of written Persian and of emoji.
_KEPT = {"\u200c", "\u200d"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    """Replace characters that are invisible, or that change how others are displayed, by their code point.

    Args:
        text: Any text.

    Returns:
        The text with each such character as, for example, ``‹U+202E›``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"‹U+{ord(letter):04X}›" if unicodedata.category(letter) in _HIDDEN and letter not in _KEPT else letter
        for letter in text
    )


def all_visible(value: Any) -> Any:
    """Apply `visible` to every string of a JSON document, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [all_visible(item) for item in value]
    if isinstance(value, dict):
        return {visible(key): all_visible(item) for key, item in value.items()}
    return value


def short(text: str, limit: int = 32) -> str:
    """Shorten a long name in the middle, because long names of models and files differ at both ends.

    Args:
        text: A name.
        limit: Columns to keep. Wide characters, such as Chinese, take two.

    Returns:
        The name, or its two ends around ``…``.
    """
    if columns(text) <= limit:
        return text
    head, tail = "", ""
    for letter in text:
        if columns(head + letter) > limit * 2 // 3:
            break
        head += letter
    for letter in reversed(text[len(head) :]):
        if columns(head + "…" + letter + tail) > limit:
            break
        tail = letter + tail
    return f"{head.rstrip()}…{tail.lstrip()}"


def columns(text: str) -> int:
    """Width of a text in columns. Combining accents take none, wide characters take two."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
