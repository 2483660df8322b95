"""One thing that was looked at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: What it is about: ``"versions"``, ``"extras"``, ``"devices"``, ``"disk"`` or ``"network"``.
        name: What was looked at.
        value: What was found.
        problem: What is wrong with it, as a sentence without an end; None if nothing is.
        remedy: The command, or the change, that mends it.
    """

    topic: str
    name: str
    value: str
    problem: str | None = None
    remedy: str | None = None
