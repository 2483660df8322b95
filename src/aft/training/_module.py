"""The training step: the task loss plus the objectives, and the optimiser."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aft.errors import ModelError, NonFiniteError, name_some
from aft.models import Student, StudentOutput
from aft.objectives import Objective, Weighting, all_gather
from aft.training._distributed import all_finite, mean_over_processes
from aft.training._loss import TaskLoss
from aft.training._schedule import cosine_schedule

#: Steps between two checks for NaN: each check waits for the device.
CHECK_EVERY = 50
#: Steps between two rows of the training log: at most so many, and in short trainings few enough for a curve of 20 points.
LOG_EVERY, POINTS = 50, 20


@dataclass(frozen=True)
class OptimiserSettings:
    """Settings of the optimiser.

    Attributes:
        steps: Number of steps.
        lr: Learning rate of the student, annealed to zero along a cosine.
        weight_decay: Decoupled weight decay of the student.
        warmup: Fraction of the steps over which the rate rises.
        gate_lr: Learning rate of the gates.
    """

    steps: int
    lr: float
    weight_decay: float
    warmup: float
    gate_lr: float


class TrainingModule(L.LightningModule):
    """Task loss plus weighted objectives.

    Args:
        student: The student.
        terms: The objectives, prepared, each with its weighting.
        loss: The loss of the task.
        settings: Settings of the optimiser.
        ids: Ids of the samples, for error messages.
    """

    def __init__(
        self,
        student: Student,
        terms: Sequence[tuple[Objective, Weighting]],
        loss: TaskLoss,
        settings: OptimiserSettings,
        ids: Sequence[str],
    ) -> None:
        super().__init__()
        self.student = student
        self.objectives = nn.ModuleList(objective for objective, _ in terms)
        self.weightings = nn.ModuleList(weighting for _, weighting in terms)
        self.loss = loss
        self.settings = settings
        self._ids = ids
        self._unchecked: list[tuple[int, Tensor, NDArray[np.int64]]] = []
        self._log_every = max(1, min(LOG_EVERY, settings.steps // POINTS))

    def training_step(self, batch: dict[str, Any], _index: int) -> Tensor:
        """The loss of a batch."""
        output: StudentOutput = self.student(batch["inputs"])
        task: Tensor = self.loss(output.logits, batch["targets"], batch["labelled"])
        if "weight" in batch:
            task = task * batch["weight"]
        sizes = batch.get("sizes")
        total, measured = task, task.detach()
        row: dict[str, Tensor] = {"task_loss": measured}
        for objective, weighting in self._terms():

            def value(features: Tensor, logits: Tensor | None, objective: Objective = objective) -> Tensor:
                if sizes is not None:
                    features = all_gather(features, sizes)
                    logits = None if logits is None else all_gather(logits, sizes)
                result: Tensor = objective(
                    features, batch["features"], logits=logits, targets=batch["objective_targets"]
                )
                return result

            combined = weighting.combine(
                task,
                output.features,
                value,
                objective.parameters(),
                output.logits if objective.needs_logits else None,
                task_active=batch["any_labelled"],
            )
            # Each objective is weighted against the task alone, whatever other objectives there are.
            total = total + (combined.loss - task)
            measured = measured + combined.objective
            row["objective"] = row.get("objective", 0) + combined.objective
            if len(self.objectives) == 1:
                row["coefficient"] = combined.coefficient
        self._unchecked.append((self.global_step, torch.isfinite(measured), batch["positions"]))
        if len(self._unchecked) >= CHECK_EVERY:
            self.check_finite()
        if self.global_step % self._log_every == 0 or self.global_step == self.settings.steps - 1:
            values = dict(zip(row, mean_over_processes(list(row.values())), strict=True))
            for logger in self.loggers:
                logger.log_metrics(values, step=self.global_step)
        return total

    def check_finite(self) -> None:
        """Check the losses since the last check.

        Raises:
            NonFiniteError: One was NaN or infinite; its step and ids are named.
        """
        if self._unchecked:
            finite = all_finite(torch.stack([flag for _, flag, _ in self._unchecked])).tolist()
            for (step, _, positions), good in zip(self._unchecked, finite, strict=True):
                if not good:
                    raise NonFiniteError(
                        f"a loss must be finite; it became NaN or infinite at step {step}, on the batch with the ids "
                        f"{name_some([self._ids[position] for position in positions.tolist()], 8)}; lower lr= or beta=, or check these samples"
                    )
        self._unchecked.clear()

    def on_train_end(self) -> None:
        """Check the last losses."""
        self.check_finite()

    def configure_optimizers(self) -> Any:
        """AdamW. Biases and norms are not decayed, and gates have a learning rate of their own."""
        s = self.settings
        trained = [p for p in self.student.parameters() if p.requires_grad]
        if not trained:
            raise ModelError(
                "a student has parameters to train; all of this one are frozen; set requires_grad of some, or use its features as "
                "they are"
            )
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim >= 2]},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        for objective, _ in self._terms():
            groups += objective.parameter_groups(lr=s.gate_lr)
        optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=s.lr, weight_decay=s.weight_decay,
            fused=all(p.is_floating_point() for p in trained),  # one pass over the weights instead of ten; not for complex ones
        )  # fmt: skip
        schedule = cosine_schedule(optimiser, steps=s.steps, warmup=s.warmup)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _terms(self) -> Iterator[tuple[Objective, Weighting]]:
        for objective, weighting in zip(self.objectives, self.weightings, strict=True):
            assert isinstance(objective, Objective)
            assert isinstance(weighting, Weighting)
            yield objective, weighting
