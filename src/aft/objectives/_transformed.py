"""An objective on transformed teacher features, or on a batch enlarged by a memory queue."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aft.data import TaskKind
from aft.errors import UsageError, did_you_mean, name_some
from aft.objectives._aft import AFT
from aft.objectives._base import Objective
from aft.objectives._cka import CKA
from aft.objectives._memory_queue import MemoryQueue
from aft.objectives._probe_kd import ProbeKD
from aft.objectives._rkd import RKD
from aft.objectives._sp import SP
from aft.objectives._transforms import TRANSFORMS, apply_transform

#: Names that may follow an ``@`` in a method: the transforms of the teachers' features, and the memory queue.
OBJECTIVE_OPTIONS = (*TRANSFORMS, "queue")
#: Objectives that compare samples with each other and so benefit from a larger batch.
RELATIONAL = (AFT, RKD, SP, CKA)


def check_known(options: Sequence[str]) -> None:
    """Check that each name is one of `OBJECTIVE_OPTIONS`.

    Args:
        options: Names that follow an ``@`` in a method.

    Raises:
        UsageError: One of them is unknown.
    """
    for name in options:
        if name not in OBJECTIVE_OPTIONS:
            raise UsageError(f"unknown objective option {name!r}{did_you_mean(name, OBJECTIVE_OPTIONS)}")


class Transformed(Objective):
    """Apply an objective to transformed teacher features, to a batch enlarged by a memory queue, or to both.

    `prepare` fits the transforms on training samples, for each teacher separately. The memory queue holds the
    student and teacher features of the last 256 samples. It is used in training mode only, and gradients flow
    into the current batch only.

    Args:
        objective: The objective, not yet prepared.
        options: Names from `OBJECTIVE_OPTIONS`. Transforms are applied in this order.
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``; used by ``"separability"``.

    Raises:
        UsageError: An option is unknown, repeated, or not applicable to the objective.

    Source:
        An extension that is not part of the paper. The queue follows He et al.: Momentum Contrast, CVPR 2020.

    Example:
        >>> objective = Transformed(AFT({"clip": 512}, student_dim=64), ["whiten", "queue"])
        >>> objective.prepare({"clip": training_features})
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    needs_task = True

    def __init__(self, objective: Objective, options: Sequence[str], *, task: TaskKind = "classification") -> None:
        super().__init__(objective.teacher_dims, objective.student_dim)
        check_known(options)
        if len(set(options)) != len(options):
            raise UsageError(
                f"an objective option must be given only once; received {name_some(options)}; remove the repetition"
            )
        class_name = type(objective).__name__
        self.transforms = [name for name in options if name in TRANSFORMS]
        if self.transforms and isinstance(objective, ProbeKD):
            raise UsageError(
                f"{class_name} standardises the teachers' features itself and takes no transform; "
                f"received {name_some(self.transforms)}; remove it from the options"
            )
        if "queue" in options and not isinstance(objective, RELATIONAL):
            raise UsageError(
                "a memory queue needs an objective that compares samples, one of "
                f"{name_some([one.__name__ for one in RELATIONAL], limit=4)}; received {class_name}; "
                "remove 'queue' from the options"
            )
        self.objective = objective
        self.task: TaskKind = task
        self.needs_logits = objective.needs_logits
        self.needs_student_features = objective.needs_student_features
        self.needs_preparation = bool(self.transforms) or objective.needs_preparation
        self.needs_targets = "separability" in self.transforms or (
            objective.needs_preparation and objective.needs_targets
        )
        # One list per teacher. Not in checkpoints: a resumed training fits them again, to the same numbers.
        self._fitted_transforms: list[list[Tensor]] | None = None
        self.queue = MemoryQueue(self.student_dim, sum(self.teacher_dims.values())) if "queue" in options else None

    def gate_parameters(self) -> list[nn.Parameter]:
        """Return the gates of the wrapped objective."""
        return self.objective.gate_parameters()

    def gate_weights(self) -> dict[str, Tensor]:
        """Return the gate weights of the wrapped objective.

        They belong to the transformed dimensions. After whitening these are not the teacher's original
        dimensions.
        """
        return self.objective.gate_weights()

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit the transforms in order, then prepare the objective on the transformed features.

        Args:
            teacher_features: Features ``(N, D_m)`` of the training samples only, keyed by teacher.
            student_features: The untrained student's features of the same samples, ``(N, d)``.
            targets: Targets of the same samples, ``(N, ...)``.
        """
        if self._fitted_transforms is None:
            fitted_transforms = []
            for teacher in self.teacher_dims:
                features = teacher_features[teacher].float()
                fitted: list[Tensor] = []
                for name in self.transforms:
                    transformed = functools.reduce(apply_transform, fitted, features)
                    fitted.append(TRANSFORMS[name](transformed, targets, self.task))
                fitted_transforms.append(fitted)
            self._fitted_transforms = fitted_transforms
        if self.objective.needs_preparation:
            inputs = self._transform([teacher_features[teacher].float() for teacher in self.teacher_dims])
            self.objective.prepare(dict(zip(self.teacher_dims, inputs, strict=True)), student_features, targets)

    def fitted_state(self) -> dict[str, Any]:
        """Return what `prepare` fitted, for the transforms and for the objective."""
        self._check_fitted()
        return {"transforms": self._fitted_transforms, "objective": self.objective.fitted_state()}

    def load_fitted_state(self, state: Mapping[str, Any]) -> None:
        """Load the state that an equal objective fitted, instead of fitting it again in `prepare`."""
        if set(state) != {"transforms", "objective"}:
            raise UsageError(
                f"{type(self).__name__} loads the fitted state of its own class, with 'transforms' and 'objective'; "
                f"received {name_some(state)}; pass fitted_state() of the same method"
            )
        self._fitted_transforms = state["transforms"]
        self.objective.load_fitted_state(state["objective"])

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the objective on the transformed features and the enlarged batch."""
        widths = list(self.teacher_dims.values())
        teacher = torch.cat(self._transform(list(teacher.split(widths, dim=1))), dim=1)
        if self.queue is not None and self.training:
            student, teacher = self.queue(student, teacher)
        return self.objective.compute(student, teacher, logits=logits, targets=targets)

    def _transform(self, by_teacher: list[Tensor]) -> list[Tensor]:
        """Apply each teacher's fitted transforms to its features."""
        if not self.transforms:
            return by_teacher
        self._check_fitted()
        assert self._fitted_transforms is not None
        device = by_teacher[0].device
        if any(one.device != device for fitted in self._fitted_transforms for one in fitted):
            self._fitted_transforms = [[one.to(device) for one in fitted] for fitted in self._fitted_transforms]
        return [
            functools.reduce(apply_transform, fitted, features)
            for features, fitted in zip(by_teacher, self._fitted_transforms, strict=True)
        ]

    def _check_fitted(self) -> None:
        if self.transforms and self._fitted_transforms is None:
            raise UsageError(
                "transforms must be fitted on training samples before they are used; "
                f"received {name_some(self.transforms)} not fitted; call prepare first"
            )
