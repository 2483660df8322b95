"""The interface that every objective has."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import UsageError, name_some


class Objective(nn.Module, ABC):
    """A regulariser ``R`` that training adds to the task loss.

    A subclass says how to compute it in `compute`, and which of its parameters are gates in
    `gate_parameters`; everything else (checks, precision, the order of teachers) is done here, once.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by the teacher's name. The order is kept:
            where a teacher's features are concatenated, they are in this order.
        student_dim: Width ``d`` of the student's features.

    Raises:
        UsageError: A width that is not a positive integer, or no teacher at all.
    """

    #: Whether `prepare` must be called, on training samples alone, before the objective is.
    needs_preparation: bool = False
    #: Whether `prepare` is fitted to targets; one that is not can be fitted to unlabelled samples too.
    needs_targets: bool = True
    #: Whether the objective acts on the student's logits, so that calls must hand them in.
    needs_logits: bool = False
    #: Whether `prepare` also takes the student's features of those samples before training.
    needs_student_features: bool = False
    #: Whether the constructor takes ``task`` and ``outputs``.
    needs_task: bool = False
    #: What `prepare` fits to the teachers' features and the targets: names of attributes, see `fitted_state`.
    fitted: tuple[str, ...] = ()

    def __init__(self, teacher_dims: Mapping[str, int], student_dim: int) -> None:
        super().__init__()
        if not isinstance(teacher_dims, Mapping) or not teacher_dims:
            raise UsageError(
                f"an objective needs a mapping of at least one teacher's name to its width; received {teacher_dims!r}; "
                "pass for example {'dinov2': 1536}"
            )
        for name, width in {**teacher_dims, "student_dim": student_dim}.items():
            if isinstance(width, bool) or not isinstance(width, int) or width < 1:
                raise UsageError(
                    f"a width is a positive integer; received {width!r} for {name!r}; pass features.shape[1]"
                )
        self.teacher_dims: dict[str, int] = dict(teacher_dims)
        self.student_dim = student_dim

    @abstractmethod
    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """The objective itself, on checked inputs in one precision of at least float32.

        Args:
            student: Student features, ``(B, d)``.
            teacher: The teachers' features side by side, ``(B, D)`` with ``D = sum(D_m)``.
            logits: The student's outputs, ``(B, C)``, if the caller handed them in.
            targets: Targets as the task defines them, ``(B, ...)``, if the caller handed them in.

        Returns:
            A scalar.
        """

    def gate_parameters(self) -> list[nn.Parameter]:
        """The parameters that have a learning rate of their own; none unless a subclass says so."""
        return []

    def forward(
        self,
        student_features: Tensor,
        teacher_features: Mapping[str, Tensor],
        *,
        logits: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """Compute ``R``.

        Statistics, kernels and norms are computed in float32 or wider whatever autocast says.

        Args:
            student_features: ``(B, d)``.
            teacher_features: ``(B, D_m)`` for each of the teachers, by name, on the student's device.
            logits: Student outputs ``(B, C)``, for the objectives that act on them.
            targets: Targets ``(B, ...)``, for the objectives that use them.

        Returns:
            A scalar tensor. NaN in the features of either side gives NaN.

        Raises:
            UsageError: Teachers missing or unknown, or shapes that do not fit.
        """
        self._check(student_features, teacher_features)
        if self.needs_logits and logits is None:
            raise UsageError(
                f"{type(self).__name__} acts on the student's logits; received none; call it with logits=model_output"
            )
        device = student_features.device
        dtype = torch.promote_types(student_features.dtype, torch.float32)
        for features in teacher_features.values():
            dtype = torch.promote_types(dtype, features.dtype) if features.is_floating_point() else dtype
        with torch.autocast(device_type=device.type, enabled=False):
            teacher = torch.cat([teacher_features[name].to(dtype) for name in self.teacher_dims], dim=1)
            return self.compute(
                student_features.to(dtype),
                teacher,
                logits=None if logits is None else logits.to(dtype),
                targets=targets,
            )

    def parameter_groups(self, lr: float = 1e-2) -> list[dict[str, Any]]:
        """Parameter groups for an optimiser of one's own.

        Args:
            lr: Learning rate of the gates, which are never decayed. Projections (of ``KD``, say) carry no
                rate of their own: they train with the optimiser's default, the student's.

        Returns:
            A list of groups, empty for an objective without parameters.

        Example:
            >>> objective = AFT({"clip": 512}, student_dim=64)
            >>> groups = [{"params": student.parameters()}, *objective.parameter_groups(lr=1e-2)]
            >>> optimiser = torch.optim.Adam(groups, lr=1e-4)
        """
        gates = [parameter for parameter in self.gate_parameters() if parameter.requires_grad]
        known = {id(parameter) for parameter in gates}
        others = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        groups: list[dict[str, Any]] = []
        if others:
            groups.append({"params": others})
        if gates:
            groups.append({"params": gates, "lr": lr, "weight_decay": 0.0})
        return groups

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit what must be fitted before training; does nothing for objectives that need no such thing.

        Args:
            teacher_features: Features ``(N, D_m)`` of the training samples alone, by teacher.
            student_features: The student's features of the same samples before training, ``(N, d)``.
            targets: Targets of the same samples, ``(N, ...)``.
        """

    def fitted_state(self) -> dict[str, Any]:
        """What `prepare` fitted, for the same objective made again, with another seed or for another student.

        It holds what depends on the teachers' features and the targets alone.

        Returns:
            By name; empty for objectives that fit nothing.

        Raises:
            UsageError: The objective is not prepared.

        Example:
            >>> again = ProbeKD({"clip": 512}, student_dim=64)
            >>> again.adopt_fitted(objective.fitted_state())
        """
        state = {name: getattr(self, name) for name in self.fitted}
        if any(value is None for value in state.values()):
            raise UsageError(
                f"{type(self).__name__} has nothing fitted to hand on; received {name_some(self.fitted)} unset; call prepare first"
            )
        return state

    def adopt_fitted(self, state: Mapping[str, Any]) -> None:
        """Take what an objective of the same class, teachers and options fitted, in place of fitting it in `prepare`.

        Args:
            state: From its `fitted_state`.

        Raises:
            UsageError: The state of another kind of objective.
        """
        if set(state) != set(self.fitted):
            raise UsageError(
                f"{type(self).__name__} adopts what its own kind fitted, {name_some(self.fitted)}; received {name_some(state)}; "
                "hand in fitted_state() of the same method"
            )
        for name, value in state.items():
            setattr(self, name, value)

    def gate_weights(self) -> dict[str, Tensor]:
        """The weight of each teacher dimension, by teacher.

        Returns:
            For each teacher a detached tensor ``(D_m,)`` of numbers in (0, 1).

        Raises:
            UsageError: The objective has no weight per dimension.
        """
        raise UsageError(
            f"gate weights exist for objectives with one weight a teacher dimension; received {type(self).__name__}; "
            "use AFT with gates='diagonal'"
        )

    def _check(self, student: Tensor, teachers: Mapping[str, Tensor]) -> None:
        if not isinstance(teachers, Mapping):
            raise UsageError(
                f"teacher features come as a mapping of name to tensor; received {type(teachers).__name__}; "
                f"pass {{{next(iter(self.teacher_dims))!r}: features}}"
            )
        if set(teachers) != set(self.teacher_dims):
            raise UsageError(
                f"the features of every teacher are needed and no others; received {name_some(teachers)}; "
                f"pass {name_some(self.teacher_dims, limit=12)}"
            )
        expected = {"student_features": (student, self.student_dim)}
        expected |= {name: (teachers[name], width) for name, width in self.teacher_dims.items()}
        for name, (features, width) in expected.items():
            if features.ndim != 2 or features.shape[1] != width or features.shape[0] != student.shape[0]:
                raise UsageError(
                    f"{name} must have shape (B, {width}) with the same B on both sides; received "
                    f"{tuple(features.shape)} beside student features {tuple(student.shape)}; flatten or pool them first"
                )
        if student.shape[0] == 0:
            raise UsageError("an objective needs at least one sample; received a batch of 0; skip empty batches")
