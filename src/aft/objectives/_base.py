"""The interface that every objective implements."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import UsageError, did_you_mean, name_some


class Objective(nn.Module, ABC):
    """A regulariser ``R`` that training adds to the task loss.

    A subclass implements `compute` and, if it has gates, `gate_parameters`. Input checks, precision and the
    order of the teachers are handled by this class.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by the teacher's name. Features are
            always concatenated in this order.
        student_dim: Width ``d`` of the student's features.

    Raises:
        UsageError: There is no teacher, or a width is not a positive integer.

    Example:
        >>> class NormMatching(Objective):
        ...     def compute(self, student, teacher, *, logits, targets):
        ...         return (student.norm(dim=1) - teacher.norm(dim=1)).square().mean()
    """

    #: Whether `prepare` must be called on the training samples before the objective can be used.
    needs_preparation: bool = False
    #: Whether `prepare` needs targets. An objective that does not can be fitted on unlabelled samples too.
    needs_targets: bool = True
    #: Whether the objective acts on the student's logits, so that every call must pass them.
    needs_logits: bool = False
    #: Whether `prepare` also needs the untrained student's features of the training samples.
    needs_student_features: bool = False
    #: Whether the constructor takes ``task`` and ``outputs``.
    needs_task: bool = False
    #: Whether the constructor takes ``factors``: which teachers read which part of a sample.
    takes_factors: bool = False
    #: Names of the attributes that `prepare` fits to teacher features and targets; see `fitted_state`.
    fitted: tuple[str, ...] = ()

    def __init__(self, teacher_dims: Mapping[str, int], student_dim: int) -> None:
        super().__init__()
        if not isinstance(teacher_dims, Mapping) or not teacher_dims:
            raise UsageError(
                f"teacher_dims must map the name of at least one teacher to its width; received {teacher_dims!r}; "
                "pass for example {'dinov2': 1536}"
            )
        for name, width in {**teacher_dims, "student_dim": student_dim}.items():
            if isinstance(width, bool) or not isinstance(width, int) or width < 1:
                raise UsageError(
                    f"a width must be a positive integer; received {width!r} for {name!r}; pass features.shape[1]"
                )
        self.teacher_dims: dict[str, int] = dict(teacher_dims)
        self.student_dim = student_dim

    @abstractmethod
    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the objective from checked inputs, all in one precision of at least float32.

        Args:
            student: Student features, ``(B, d)``.
            teacher: Concatenated teacher features, ``(B, D)`` with ``D = sum(D_m)``.
            logits: Student outputs, ``(B, C)``, if the caller passed them.
            targets: Targets as the task defines them, ``(B, ...)``, if the caller passed them.

        Returns:
            A scalar tensor.
        """

    def gate_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that train at the learning rate of the gates; by default there are none."""
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

        Autocast is disabled inside: statistics, kernels and norms are computed in float32 or wider.

        Args:
            student_features: ``(B, d)``.
            teacher_features: ``(B, D_m)`` for each teacher, keyed by name, on the student's device.
            logits: Student outputs ``(B, C)``, for objectives that act on them.
            targets: Targets ``(B, ...)``, for objectives that use them.

        Returns:
            A scalar tensor. It is NaN if the features of either side contain NaN.

        Raises:
            UsageError: A teacher is missing or unknown, a shape does not fit, or required logits are missing.
        """
        self._check(student_features, teacher_features)
        if self.needs_logits and logits is None:
            raise UsageError(
                f"{type(self).__name__} acts on the student's logits; received none; pass logits= to the call"
            )
        device = student_features.device
        dtype = torch.promote_types(student_features.dtype, torch.float32)
        for features in teacher_features.values():
            dtype = torch.promote_types(dtype, features.dtype) if features.is_floating_point() else dtype
        with torch.autocast(device_type=device.type, enabled=False):
            parts = [teacher_features[name].to(dtype) for name in self.teacher_dims]
            return self.compute(
                student_features.to(dtype),
                parts[0] if len(parts) == 1 else torch.cat(parts, dim=1),
                logits=None if logits is None else logits.to(dtype),
                targets=targets,
            )

    def parameter_groups(self, lr: float = 1e-2) -> list[dict[str, Any]]:
        """Return the objective's parameters as groups for an optimiser.

        Args:
            lr: Learning rate of the gates, which have no weight decay. Other parameters, such as the
                projection of ``KD``, use the optimiser's default learning rate, as the student does.

        Returns:
            A list of parameter groups; it is empty if the objective has no trainable parameters.

        Example:
            >>> objective = AFT({"clip": 512}, student_dim=64)
            >>> groups = [{"params": student.parameters()}, *objective.parameter_groups(lr=1e-2)]
            >>> optimiser = torch.optim.Adam(groups, lr=1e-4)
        """
        gates = [parameter for parameter in self.gate_parameters() if parameter.requires_grad]
        gate_ids = {id(parameter) for parameter in gates}
        others = [p for p in self.parameters() if p.requires_grad and id(p) not in gate_ids]
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
        """Fit statistics on training samples, before training starts. The default does nothing.

        Args:
            teacher_features: Features ``(N, D_m)`` of the training samples only, keyed by teacher.
            student_features: The untrained student's features of the same samples, ``(N, d)``.
            targets: Targets of the same samples, ``(N, ...)``.
        """

    def add_views(self, teacher_features: Mapping[str, Tensor]) -> None:
        """Learn which augmented views belong to the samples of `prepare`, after it. The default does nothing.

        Args:
            teacher_features: Features ``(N, D_m)`` of one more view of each of these samples, in the same order.
        """

    def fitted_state(self) -> dict[str, Any]:
        """Return what `prepare` fitted, so that an objective for another seed or student can reuse it.

        The state contains only what depends on the teachers' features and the targets.

        Returns:
            The fitted values, keyed by attribute name; empty for objectives that fit nothing.

        Raises:
            UsageError: `prepare` has not been called.

        Example:
            >>> another = ProbeKD({"clip": 512}, student_dim=64)
            >>> another.load_fitted_state(objective.fitted_state())
        """
        state = {name: getattr(self, name) for name in self.fitted}
        if any(value is None for value in state.values()):
            raise UsageError(
                f"{type(self).__name__} has no fitted state before it is prepared; received {name_some(self.fitted)} "
                "unset; call prepare first"
            )
        return state

    def load_fitted_state(self, state: Mapping[str, Any]) -> None:
        """Load the state that an equal objective fitted, instead of fitting it again in `prepare`.

        Args:
            state: The `fitted_state` of an objective with the same class, teachers and options.

        Raises:
            UsageError: The state belongs to another class of objective.
        """
        if set(state) != set(self.fitted):
            raise UsageError(
                f"{type(self).__name__} loads the fitted state of its own class, with {name_some(self.fitted)}; "
                f"received {name_some(state)}; pass fitted_state() of the same method"
            )
        for name, value in state.items():
            setattr(self, name, value)

    def gate_weights(self) -> dict[str, Tensor]:
        """Return the weight of each teacher dimension.

        Returns:
            For each teacher, keyed by name, a detached tensor ``(D_m,)`` of values in (0, 1).

        Raises:
            UsageError: The objective has no weight per teacher dimension.
        """
        raise UsageError(
            f"only objectives with one weight per teacher dimension have gate weights; received {type(self).__name__}; "
            "use AFT with gates='diagonal'"
        )

    def _check(self, student: Tensor, teachers: Mapping[str, Tensor]) -> None:
        if not isinstance(teachers, Mapping):
            raise UsageError(
                f"teacher_features must be a mapping of name to tensor; received {type(teachers).__name__}; "
                f"pass {{{next(iter(self.teacher_dims))!r}: features}}"
            )
        if set(teachers) != set(self.teacher_dims):
            raise UsageError(
                f"teacher_features must contain exactly the objective's teachers; received {name_some(teachers)}; "
                f"pass {name_some(self.teacher_dims, limit=12)}"
            )
        for name, features in {"student_features": student, **teachers}.items():
            if not isinstance(features, Tensor):
                raise UsageError(
                    f"features are torch tensors; received {type(features).__name__} for {name!r}; convert it with "
                    "torch.from_numpy, or read a store with store.tensor(ids)"
                )
        expected = {"student_features": (student, self.student_dim)}
        expected |= {name: (teachers[name], width) for name, width in self.teacher_dims.items()}
        for name, (features, width) in expected.items():
            if features.ndim != 2 or features.shape[1] != width or features.shape[0] != student.shape[0]:
                raise UsageError(
                    f"{name} must have shape (B, {width}), with the same B on both sides; received "
                    f"{tuple(features.shape)} with student features of shape {tuple(student.shape)}; "
                    "flatten or pool the features first"
                )
        if student.shape[0] == 0:
            raise UsageError("an objective needs at least one sample; received an empty batch; skip it")


def check_choice(option: str, value: object, known: Iterable[str]) -> None:
    """Check that an objective's keyword option is one of the known values.

    Args:
        option: Name of the option.
        value: The value received.
        known: The known values.

    Raises:
        UsageError: The value is not one of them.
    """
    names = list(known)
    if value not in names:
        raise UsageError(f"unknown option {option}={value!r}{did_you_mean(str(value), names)}")


def check_factors(factors: Sequence[Sequence[str]], teachers: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Check that factors are groups of teachers.

    Args:
        factors: Names of the teachers of each factor.
        teachers: Names of all teachers.

    Returns:
        The same as tuples.

    Raises:
        UsageError: There is one factor only, or a teacher is unknown or in two factors.
    """
    names = [name for factor in factors for name in factor]
    if len(factors) == 1 or not all(factors) or len(set(names)) != len(names) or not set(names) <= set(teachers):
        raise UsageError(
            f"factors are two or more groups of different teachers; received {[list(factor) for factor in factors]!r} for the teachers "
            f"{name_some(teachers)}; write for example [['clip'], ['mpnet']]"
        )
    return tuple(map(tuple, factors))
