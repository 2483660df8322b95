"""The hyperparameters of one training, and a trial of them."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from aft.objectives import WeightingKind


@dataclass(frozen=True)
class HParams:
    """What the hyperparameter search chooses.

    Attributes:
        lr: Learning rate of the student.
        steps: Number of optimiser steps.
        weight_decay: Decoupled weight decay of the student.
        weighting: How `beta` multiplies the objective: ``"fixed"`` or ``"balanced"``; None where `beta` is 0.
        beta: Weight of the objective. 0 is plain fine-tuning.
    """

    lr: float
    steps: int
    weight_decay: float
    weighting: WeightingKind | None = None
    beta: float = 0.0

    def __post_init__(self) -> None:
        # One spelling for each training, since journals find trainings by their hyperparameters.
        weighting = (self.weighting or "fixed") if self.beta else None
        object.__setattr__(self, "weighting", weighting)
        object.__setattr__(self, "beta", float(self.beta))

    def __str__(self) -> str:
        objective = f"{self.weighting} beta {self.beta:g}" if self.beta else "fine-tuning"
        return f"{objective}, {self.steps} steps, lr {self.lr:.3g}, weight decay {self.weight_decay:g}"

    def settings(self) -> str:
        """The settings of a training that uses these without a search: ``beta=1 weighting=balanced lr=0.001 ...``."""
        weighting = f" weighting={self.weighting}" if self.weighting else ""
        return f"beta={self.beta:g}{weighting} lr={self.lr!r} weight_decay={self.weight_decay:g} steps={self.steps}"


class CurvePoint(NamedTuple):
    """A measurement on the validation split during training.

    Attributes:
        step: The step after which it was made.
        epoch: The same in passes over the samples that it learns from.
        loss: Validation loss at the best temperature.
        error: Validation error.
    """

    step: int
    epoch: float
    loss: float
    error: float


@dataclass(frozen=True)
class Trial:
    """A training on part of the training split, and its loss on the validation split.

    Attributes:
        method: Name of the method; ``finetune`` where beta is 0.
        hparams: The hyperparameters.
        loss: Validation loss at the best temperature; None if the trial diverged.
        error: Validation error; None if the trial diverged.
        early_loss: Validation loss after a third of the steps, or after the last of very few; None if the trial diverged.
        seconds: Duration.
        stopped: Whether the trial was stopped early or diverged, so that it has no loss to be chosen by.
        curve: The validation loss by epoch.
        pooled_loss: Loss on labelled and unlabelled validation samples, with the predictions of the teachers' probe as labels of
            the latter; None without them.
        early_pooled_loss: The same after a third of the steps.
    """

    method: str
    hparams: HParams
    loss: float | None
    error: float | None
    early_loss: float | None
    seconds: float
    stopped: bool = False
    curve: tuple[CurvePoint, ...] = ()
    pooled_loss: float | None = None
    early_pooled_loss: float | None = None

    @property
    def score(self) -> float:
        """The validation loss; infinite for a trial that cannot be chosen."""
        return math.inf if self.loss is None or self.stopped else self.loss

    @property
    def pooled_score(self) -> float:
        """The same on labelled and unlabelled validation samples, where there are any."""
        return self.score if self.pooled_loss is None or self.stopped else self.pooled_loss

    def __str__(self) -> str:
        if self.loss is None or self.error is None:
            outcome = "diverged"
        elif self.stopped:
            outcome = f"stopped early at loss {self.loss:.4f}"
        else:
            outcome = f"loss {self.loss:.4f}, error {self.error:.4f}"
            if self.pooled_loss is not None:
                outcome += f", loss with unlabelled samples {self.pooled_loss:.4f}"
        return f"{self.hparams}: {outcome}, {self.seconds:.0f} s"
