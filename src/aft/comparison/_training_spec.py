"""One training of a comparison."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from aft.runs import HParams

Stage = Literal["trial", "final"]


@dataclass(frozen=True)
class TrainingSpec:
    """One training of a comparison.

    Attributes:
        problem: Name of the problem.
        method: Name of the method; ``finetune`` where beta is 0.
        hparams: The hyperparameters.
        seed: Random seed for initial weights and the order of batches.
        stage: A ``"trial"`` trains on part of the training split and is measured on the validation split; a ``"final"`` training uses
            the whole training split and is measured on the test split.
        options: Options of the method's objectives.
        max_early_loss: The loss beyond which a trial is stopped early; not part of its identity.
        pooled: Whether that is the loss on labelled and unlabelled validation samples; not part of its identity either.
    """

    problem: str
    method: str
    hparams: HParams
    seed: int
    stage: Stage
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    max_early_loss: float = field(default=float("inf"), compare=False)
    pooled: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not self.hparams.beta:
            # Beta 0 is fine-tuning, whatever the method: it is trained once.
            object.__setattr__(self, "method", "finetune")
            object.__setattr__(self, "options", {})

    def identity(self) -> dict[str, Any]:
        """What identifies the training, as JSON values."""
        return {
            "problem": self.problem, "method": self.method, "hparams": asdict(self.hparams), "seed": self.seed,
            "stage": self.stage, **({"options": dict(self.options)} if self.options else {}),
        }  # fmt: skip
