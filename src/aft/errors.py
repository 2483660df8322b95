"""Every error that aft raises on purpose.

    AftError
    ├── UsageError (ValueError)         an argument, option or name that does not fit
    ├── MissingExtraError (ImportError) an optional dependency that is not installed
    ├── DataError (ValueError)          samples, labels or splits that cannot be used
    │   └── LeakageError                a test sample that is also in training
    ├── ModelError (ValueError)         a teacher or student that cannot be loaded or read
    ├── StoreError (ValueError)         a feature store that cannot be used
    │   ├── CorruptStoreError           bytes on disk that are not what was committed
    │   ├── FingerprintError            features of another model, layer, preprocessing or input
    │   ├── UnknownIdError (KeyError)   ids that a store does not hold
    │   └── BadFeatureError             NaN, infinity, or a value that the store's type cannot hold
    ├── OutOfMemoryError (MemoryError)  a batch that does not fit
    └── TrainingError (RuntimeError)    training that cannot go on
        ├── NonFiniteError              a loss or gradient that is NaN or infinite
        └── RunError (ValueError)       a run folder that cannot be used

A message is one sentence: the rule, what was received, the remedy.
"""

from collections.abc import Iterable

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
    "RunError",
    "StoreError",
    "TrainingError",
    "UnknownIdError",
    "UsageError",
    "did_you_mean",
    "name_some",
    "printable",
]


class AftError(Exception):
    """The base of every error that aft raises on purpose."""


class UsageError(AftError, ValueError):
    """An argument, option or name that does not fit."""


class MissingExtraError(AftError, ImportError):
    """An optional dependency that is not installed."""


class DataError(AftError, ValueError):
    """Samples, labels or splits that cannot be used."""


class LeakageError(DataError):
    """A test sample that is also in training."""


class ModelError(AftError, ValueError):
    """A teacher or student that cannot be loaded or read."""


class StoreError(AftError, ValueError):
    """A feature store that cannot be used."""


class CorruptStoreError(StoreError):
    """Bytes on disk that are not what was committed."""


class FingerprintError(StoreError):
    """Features of another model, layer, preprocessing or input."""


class UnknownIdError(StoreError, KeyError):
    """Ids that a store does not hold."""

    def __str__(self) -> str:  # KeyError would print the message's repr
        return str(self.args[0]) if self.args else ""


class BadFeatureError(StoreError):
    """NaN, infinity, or a value that the store's type cannot hold."""


class OutOfMemoryError(AftError, MemoryError):
    """A batch that does not fit."""


class TrainingError(AftError, RuntimeError):
    """Training that cannot go on."""


class NonFiniteError(TrainingError):
    """A loss or gradient that is NaN or infinite."""


class RunError(TrainingError, ValueError):
    """A run folder that cannot be used."""


def name_some(items: Iterable[object], limit: int = 3) -> str:
    """Name the first few of many things for an error message.

    Args:
        items: What to name; each is shown by its repr, cut at 60 characters.
        limit: How many to show.

    Returns:
        For example ``"'a', 'b', 'c' and 14 more"``.
    """
    listed = list(items)
    shown = [text if len(text) <= 60 else text[:57] + "..." for text in map(repr, listed[:limit])]
    rest = len(listed) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def printable(text: str) -> str:
    """A user's text as a terminal can be sent it: control characters are written out, as in repr."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """End an error message about an unknown name.

    Args:
        received: The name that is not known.
        known: The names that are.

    Returns:
        ``"; did you mean 'x'?"`` where one is close, else ``"; known are 'x', 'y'"``.
    """
    import difflib

    names = sorted(set(known))
    close = difflib.get_close_matches(received, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {name_some(names, limit=12)}" if names else ""
