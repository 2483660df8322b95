"""Names that a user gave, made safe to show.

Escaping for HTML is the templates' work. This is about characters that escape nothing and still deceive: a right-to-left
override that turns a line around, a control character that no page may hold, a lone surrogate that no file can.
"""

import unicodedata
from typing import Any

#: Joiners are part of how Persian and emoji are written; they stay.
_KEPT = {"\u200c", "\u200d"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    """Show characters that are otherwise unseen, or that change how others are read, by their code.

    Args:
        text: Anything.

    Returns:
        The text with each of them as, for example, ``‹U+202E›``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"‹U+{ord(letter):04X}›" if unicodedata.category(letter) in _HIDDEN and letter not in _KEPT else letter
        for letter in text
    )


def all_visible(value: Any) -> Any:
    """`visible` for every string of a JSON document, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [all_visible(item) for item in value]
    if isinstance(value, dict):
        return {visible(key): all_visible(item) for key, item in value.items()}
    return value


def short(text: str, limit: int = 32) -> str:
    """Cut a long name in its middle, since long names of models and files differ at both ends.

    Args:
        text: A name.
        limit: Characters to keep; wide ones, as of Chinese, count twice.

    Returns:
        The name, or its ends around ``…``.
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
    """How many letters wide a text is; accents that stand on others have no width, and wide letters count twice."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


#: How methods are called in text.
_METHODS = {"finetune": "fine-tuning", "aft": "AFT", "kd": "KD", "rkd": "RKD", "sp": "SP", "cka": "CKA"}


def method_name(method: str) -> str:
    """A method as the page calls it; one that aft does not know keeps its name."""
    return _METHODS.get(method, method)
