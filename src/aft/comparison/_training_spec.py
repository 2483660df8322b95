"""One training of a comparison: what it is, and what was chosen for a method."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Part = Literal["trial", "final"]


@dataclass(frozen=True)
class Choice:
    """Settings that a method is trained with.

    Attributes:
        form: ``raw`` or ``balanced``; ``none`` for strength 0.
        beta: The strength.
        steps: Optimiser steps.
        lr: The student's learning rate.
        weight_decay: Decoupled, of the student.
    """

    form: str = "none"
    beta: float = 0.0
    steps: int = 0
    lr: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Job:
    """A training.

    Attributes:
        cell: Name of the task and student that it belongs to.
        method: Name of the method; one of strength 0 goes by ``finetune``, which it is.
        choice: Its settings.
        seed: Of initial weights and batches.
        part: ``trial`` trains on a part of the training data and is measured on the rest of it; ``final`` trains on all
            training data and is measured on test data.
        options: Options of the objective.
    """

    cell: str
    method: str
    choice: Choice
    seed: int
    part: Part
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls, cell: str, method: str, choice: Choice, seed: int, part: Part, options: dict[str, Any] | None = None
    ) -> "Job":
        """Make a job; strength 0 is fine-tuning, by whatever method it is asked for."""
        if not choice.beta:
            return cls(cell, "finetune", choice, seed, part)
        return cls(cell, method, choice, seed, part, dict(options or {}))

    def describe(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return asdict(self)
