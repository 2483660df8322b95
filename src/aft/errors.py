"""The exceptions that aft raises on purpose.

    AftError
    ├── UsageError (ValueError)         invalid argument, option or name
    ├── MissingExtraError (ImportError) optional dependency is not installed
    ├── DataError (ValueError)          unusable samples, labels or splits
    │   ├── LeakageError                samples shared by test and training data
    │   └── UnknownColumnError          a table has no such column
    ├── ModelError (ValueError)         teacher or student cannot be loaded or run
    ├── StoreError (ValueError)         unusable feature store
    │   ├── CorruptStoreError           file content differs from what was written
    │   ├── FingerprintError            features of another model, layer, preprocessing or input
    │   ├── UnknownIdError (KeyError)   ids that the store does not contain
    │   └── BadFeatureError             NaN, infinity, or a value beyond the range of the store's type
    ├── OutOfMemoryError (MemoryError)  batch does not fit in memory
    ├── PublishError (RuntimeError)     the hub does not accept a model
    └── TrainingError (RuntimeError)    training, or another long computation, cannot continue
        ├── NonFiniteError              NaN or infinite loss or gradient
        └── RunError (ValueError)       unusable run directory

A message is one sentence: the rule, what was received, the remedy. However much was received, little of it is shown.
"""

import re
import traceback
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "AftError",
    "BadFeatureError",
    "CorruptStoreError",
    "DataError",
    "FingerprintError",
    "LeakageError",
    "MissingExtraError",
    "ModelError",
    "NonFiniteError",
    "OutOfMemoryError",
    "PublishError",
    "RunError",
    "StoreError",
    "TrainingError",
    "UnknownColumnError",
    "UnknownIdError",
    "UsageError",
    "describe_exception",
    "did_you_mean",
    "name_some",
    "printable",
    "shorten",
]

#: What a repr quotes, and a word, are shown up to this many characters, and a whole message up to so many.
LONGEST_PART, LONGEST_MESSAGE = 140, 900
#: Quotation marks inside words are apostrophes.
_QUOTED = re.compile(rf"""(?<!\w)(['"])((?:\\.|(?!\1)[^\\]){{{LONGEST_PART},}})\1(?!\w)""", re.DOTALL)
_WORD = re.compile(rf"\S{{{LONGEST_PART + 1},}}")


class AftError(Exception):
    """The base class of all exceptions that aft raises on purpose."""

    def __init__(self, message: str = "", *details: object) -> None:
        super().__init__(shorten(message), *details)


class UsageError(AftError, ValueError):
    """An argument, option or name is invalid."""


class MissingExtraError(AftError, ImportError):
    """An optional dependency is not installed."""


class DataError(AftError, ValueError):
    """Samples, labels or splits are unusable."""


class LeakageError(DataError):
    """Test and training data share samples."""


class UnknownColumnError(DataError):
    """A table has no such column.

    Attributes:
        column: Its name.
    """

    def __init__(self, message: str, column: str = "") -> None:
        super().__init__(message)
        self.column = column


class ModelError(AftError, ValueError):
    """A teacher or student cannot be loaded or run."""


class StoreError(AftError, ValueError):
    """A feature store is unusable."""


class CorruptStoreError(StoreError):
    """The content of a file differs from what was written."""


class FingerprintError(StoreError):
    """Features belong to another model, layer, preprocessing or input."""


class UnknownIdError(StoreError, KeyError):
    """A store does not contain some ids."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0]) if self.args else ""


class BadFeatureError(StoreError):
    """Features contain NaN, infinity, or a value beyond the range of the store's type."""


class OutOfMemoryError(AftError, MemoryError):
    """A batch does not fit in memory."""


class PublishError(AftError, RuntimeError):
    """The hub does not accept a model, or cannot be reached."""


class TrainingError(AftError, RuntimeError):
    """Training, or another long computation, cannot continue."""


class NonFiniteError(TrainingError):
    """A loss or gradient is NaN or infinite."""


class RunError(TrainingError, ValueError):
    """A run directory is unusable."""


def name_some(items: Iterable[object], limit: int = 3) -> str:
    """List the first few of many items for an error message.

    Args:
        items: The items. Each is shown by its repr, cut at 60 characters.
        limit: Maximum number of items to show.

    Returns:
        The list.

    Example:
        >>> name_some(["a", "b", "c", "d", "e"])
        "'a', 'b', 'c' and 2 more"
    """
    listed = list(items)
    shown = [text if len(text) <= 60 else text[:57] + "..." for text in map(repr, listed[:limit])]
    hidden = len(listed) - len(shown)
    return ", ".join(shown) + (f" and {hidden} more" if hidden > 0 else "")


def shorten(message: str) -> str:
    """Cut what makes a message too long to read: long quotations and words, and then the middle of the message.

    Args:
        message: A message that quotes what was received.

    Returns:
        The message, of at most `LONGEST_MESSAGE` characters.

    Example:
        >>> shorten(f"a beta is a number; received {'1' * 500!r}; correct it")[:50]
        "a beta is a number; received '11111111111111111111"
    """
    if len(message) <= LONGEST_PART:
        return message
    message = _QUOTED.sub(lambda found: f"{found[1]}{_cut(found[2], LONGEST_PART)}{found[1]}", message)
    message = _WORD.sub(lambda found: _cut(found[0], LONGEST_PART), message)
    return _cut(message, LONGEST_MESSAGE)


def _cut(text: str, limit: int) -> str:
    """A text without its middle."""
    end = limit // 2  # the end of a path says most
    return text if len(text) <= limit else f"{text[: limit - end - 3]}...{text[len(text) - end :]}"


def describe_exception(error: BaseException) -> str:
    """What a user's own code raised, and where: ``"ValueError: too small, in model.py, line 7"``."""
    text = (str(error).splitlines() or [""])[0]
    # The first frame is the caller's; libraries' frames say little about a user's code.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if "site-packages" not in frame.filename]
    place = f", in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {text}{place}"


def printable(text: str) -> str:
    """Escape control characters, as repr does, so that a user's text is safe to send to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """Complete an error message about an unknown name.

    Args:
        received: The unknown name.
        known: The known names.

    Returns:
        ``"; did you mean 'x'?"`` if one of them is similar, else ``"; known names: 'x', 'y'"``.
    """
    import difflib

    names = sorted(set(known))
    close = difflib.get_close_matches(received, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known names: {name_some(names, limit=12)}" if names else ""
