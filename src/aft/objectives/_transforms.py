"""Remedies: what can be done to an objective's inputs, whichever objective it is."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import UsageError, did_you_mean, name_some
from aft.objectives._aft import AFT
from aft.objectives._base import Objective
from aft.objectives._cka import CKA
from aft.probing import Task
from aft.objectives._probe_kd import ProbeKD
from aft.objectives._rkd import RKD
from aft.objectives._sp import SP

#: Rows of past batches that a queue keeps.
QUEUE = 256

#: Fits what a teacher's features are multiplied with, ``(D,)`` or ``(D, D)``, on training samples: features, targets, task.
Fit = Callable[[Tensor, Tensor | None, Task], Tensor]


def whitening(features: Tensor) -> Tensor:
    """The inverse square root of a teacher's covariance: directions of little variance count as much as those of much.

    The covariance is shrunk towards a multiple of the identity by the oracle-approximating estimate, since there may be fewer
    samples than dimensions.

    Args:
        features: ``(N, D)``.

    Returns:
        ``(D, D)``, symmetric, in float32.

    Source:
        Chen, Wiesel, Eldar, Hero: Shrinkage Algorithms for MMSE Covariance Estimation, 2010.
    """
    x = features.double()
    n, p = x.shape
    x = x - x.mean(dim=0)
    covariance = x.T @ x / n
    trace, square = covariance.trace(), covariance.square().sum()
    excess = (n + 1 - 2 / p) * (square - trace**2 / p)
    rho = ((1 - 2 / p) * square + trace**2) / excess if excess > 0 else torch.ones(())
    rho = rho.clamp(max=1.0)
    values, vectors = torch.linalg.eigh(covariance)
    shrunk = (1 - rho) * values.clamp(min=0) + rho * trace / p
    tiny = torch.finfo(torch.float32).tiny
    root: Tensor = (vectors * shrunk.clamp(min=tiny).rsqrt()) @ vectors.T
    return root.float()


def separability(features: Tensor, targets: Tensor | None, task: Task) -> Tensor:
    """How much of each dimension's standard deviation the targets account for, between 0 and 1.

    For classes the correlation ratio: the root of the variance between classes over the whole variance. For values the absolute
    correlation; for several labels or values the root mean square of theirs.

    Args:
        features: ``(N, D)``.
        targets: Of the same samples.
        task: What kind they are.

    Returns:
        ``(D,)``, in float32.

    Raises:
        UsageError: No targets.
    """
    if targets is None:
        raise UsageError("separability is measured on labels; received none; call prepare(features, targets=labels)")
    x = features.double()
    x = x - x.mean(dim=0)
    total = x.square().sum(dim=0)
    if task == "classification":
        groups = torch.nn.functional.one_hot(targets.long()).double()
        counts = groups.sum(dim=0).clamp(min=1)
        between = ((groups.T @ x).square() / counts[:, None]).sum(dim=0)
    else:
        y = targets.double().reshape(len(x), -1)
        y = y - y.mean(dim=0)
        spread = y.square().sum(dim=0)
        shares = (y.T @ x).square()[spread > 0] / spread[spread > 0, None]
        between = shares.mean(dim=0) if len(shares) else torch.zeros_like(total)
    ratio = torch.where(total > 0, between / total.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    return ratio.clamp(0, 1).sqrt().float()


#: By the name that follows the objective's, after an @.
FITTED: dict[str, Fit] = {"whiten": lambda features, *_: whitening(features), "separate": separability}
#: All of them; the queue enlarges the batch that a kernel is computed over.
REMEDIES = (*FITTED, "queue")
#: Objectives that compare samples with each other, so that more of them say more.
RELATIONAL = (AFT, RKD, SP, CKA)


class Remedied(Objective):
    """An objective with remedies: its teachers' features transformed first, its batch enlarged by a queue of past ones.

    Each teacher is transformed by itself, by what `prepare` fits on training samples. The queue holds the last 256 pairs of
    student and teacher features; gradients flow into the current batch alone.

    Args:
        objective: The objective, not prepared.
        remedies: Names of `REMEDIES`, in the order in which to apply them.
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``, for ``separate``.

    Raises:
        UsageError: An unknown remedy, the same one twice, or one that the objective cannot take.

    Source:
        Beyond the paper. The queue follows He et al., Momentum Contrast, CVPR 2020.

    Example:
        >>> objective = Remedied(AFT({"clip": 512}, student_dim=64), ["whiten", "queue"])
        >>> objective.prepare({"clip": training_features})
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    needs_task = True
    queued_student: Tensor
    queued_teacher: Tensor
    queued: Tensor

    def __init__(
        self, objective: Objective, remedies: tuple[str, ...] | list[str], *, task: Task = "classification"
    ) -> None:
        super().__init__(objective.teacher_dims, objective.student_dim)
        for name in remedies:
            if name not in REMEDIES:
                raise UsageError(f"unknown remedy {name!r}{did_you_mean(name, REMEDIES)}")
        if len(set(remedies)) != len(remedies):
            raise UsageError(f"a remedy is applied once; received {name_some(remedies)}; name each once")
        kind = type(objective).__name__
        self._fits = [name for name in remedies if name in FITTED]
        if self._fits and isinstance(objective, ProbeKD):
            raise UsageError(
                f"{kind}'s probe scales its inputs itself; received {name_some(self._fits)}, which would change nothing but that; leave it out"
            )
        if "queue" in remedies and not isinstance(objective, RELATIONAL):
            raise UsageError(
                f"a queue enlarges the batch of objectives that compare samples, {name_some([one.__name__ for one in RELATIONAL])}; "
                f"received {kind}; leave it out"
            )
        self.objective = objective
        self.task: Task = task
        self.needs_logits = objective.needs_logits
        self.needs_student_features = objective.needs_student_features
        self.needs_preparation = bool(self._fits) or objective.needs_preparation
        self.needs_targets = "separate" in self._fits or (objective.needs_preparation and objective.needs_targets)
        # Fitted statistics, as those of every objective: fitted again, to the same numbers, wherever training resumes.
        self._maps: list[list[Tensor]] | None = None
        rows = QUEUE if "queue" in remedies else 0
        for side, width in (("student", self.student_dim), ("teacher", sum(self.teacher_dims.values()))):
            self.register_buffer(f"queued_{side}", torch.zeros(rows, width))
        self.register_buffer("queued", torch.zeros((), dtype=torch.long))

    def gate_parameters(self) -> list[nn.Parameter]:
        """Those of the objective."""
        return self.objective.gate_parameters()

    def gate_weights(self) -> dict[str, Tensor]:
        """The objective's, of the dimensions that it sees: after whitening, these are not the teacher's own."""
        return self.objective.gate_weights()

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit the transformations in their order, and then the objective to what they give.

        Args:
            teacher_features: Features ``(N, D_m)`` of the training samples alone, by teacher.
            student_features: The student's features of the same samples before training, ``(N, d)``.
            targets: Targets of the same samples, ``(N, ...)``.
        """
        if self._maps is None:
            self._maps = []
            for features in (teacher_features[name].float() for name in self.teacher_dims):
                fitted: list[Tensor] = []
                for remedy in self._fits:
                    fitted.append(FITTED[remedy](functools.reduce(_apply, fitted, features), targets, self.task))
                self._maps.append(fitted)
        if self.objective.needs_preparation:
            transformed = self._transform([teacher_features[name].float() for name in self.teacher_dims])
            self.objective.prepare(dict(zip(self.teacher_dims, transformed, strict=True)), student_features, targets)

    def fitted_state(self) -> dict[str, Any]:
        """What `prepare` fitted, of the remedies and of the objective."""
        if self._fits and self._maps is None:
            raise UsageError(f"{name_some(self._fits)} must be fitted to training samples first; call prepare")
        return {"remedies": self._maps, "objective": self.objective.fitted_state()}

    def adopt_fitted(self, state: Mapping[str, Any]) -> None:
        """Take what another one fitted; see `Objective.adopt_fitted`."""
        if set(state) != {"remedies", "objective"}:
            raise UsageError(
                f"an objective with remedies adopts what its own kind fitted; received {name_some(state)}; "
                "hand in fitted_state() of the same method"
            )
        self._maps = state["remedies"]
        self.objective.adopt_fitted(state["objective"])

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """The objective on transformed and enlarged inputs."""
        widths = list(self.teacher_dims.values())
        teacher = torch.cat(self._transform(list(teacher.split(widths, dim=1))), dim=1)
        if len(self.queued_student) and self.training:
            past = int(self.queued.clamp(max=len(self.queued_student)))
            older = (self.queued_student[:past].to(student.dtype), self.queued_teacher[:past].to(teacher.dtype))
            current = student.detach(), teacher.detach()
            student, teacher = torch.cat([student, older[0]]), torch.cat([teacher, older[1]])
            self._remember(*current)
        return self.objective.compute(student, teacher, logits=logits, targets=targets)

    def _transform(self, features: list[Tensor]) -> list[Tensor]:
        if not self._fits:
            return features
        if self._maps is None:
            raise UsageError(f"{name_some(self._fits)} must be fitted to training samples first; call prepare")
        device = features[0].device
        if any(one.device != device for fitted in self._maps for one in fitted):
            self._maps = [[one.to(device) for one in fitted] for fitted in self._maps]
        return [functools.reduce(_apply, fitted, part) for part, fitted in zip(features, self._maps, strict=True)]

    @torch.no_grad()
    def _remember(self, student: Tensor, teacher: Tensor) -> None:
        """The oldest rows make room."""
        size = len(self.queued_student)
        student, teacher = student[-size:], teacher[-size:]
        places = (int(self.queued) + torch.arange(len(student), device=student.device)) % size
        self.queued_student[places] = student.to(self.queued_student.dtype)
        self.queued_teacher[places] = teacher.to(self.queued_teacher.dtype)
        self.queued += len(student)


def _apply(features: Tensor, fitted: Tensor) -> Tensor:
    fitted = fitted.to(features.dtype)
    return features @ fitted if fitted.ndim == 2 else features * fitted
