"""How strongly an objective acts on the student: ``fixed`` or ``balanced``."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from aft.errors import UsageError, did_you_mean

WeightingKind = Literal["fixed", "balanced"]

#: Memory of the running norms: about the last fifty steps.
DECAY = 0.98
#: Largest ratio of the norms that is used: as R nears 0 its gradient vanishes, and dividing by it would not.
LARGEST_RATIO = 100.0


class Combined(NamedTuple):
    """What `Strength.combine` gives.

    Attributes:
        loss: What to call ``backward`` on; its value means nothing, its gradient is the one asked for.
        objective: ``R``, detached.
        coefficient: What the gradient of R at the student was multiplied with.
    """

    loss: Tensor
    objective: Tensor
    coefficient: Tensor


class Weighting(nn.Module):
    """Add an objective to a task loss at a given strength.

    ``fixed`` adds ``beta * R``. The gradient of a kernel objective scales with ``1 / ||phi||``, so one beta is harmless for
    one student and ruinous for another; ``balanced`` measures R's gradient at the student's features by the task's:
    ``beta * (EMA ||dL/dphi|| / EMA ||dR/dphi||) * dR/dphi``. The objective's own parameters train on R itself in both.

    The running norms are buffers: they are kept in checkpoints, and taken over all samples where several processes train together.

    Args:
        kind: ``"fixed"`` or ``"balanced"``.
        beta: The strength, 0 or more.

    Raises:
        UsageError: An unknown form or a negative strength.

    Example:
        >>> strength = Weighting("balanced", beta=1.0)
        >>> combined = strength.combine(
        ...     task_loss, phi, lambda phi, logits: objective(phi, features, logits=logits), objective.parameters(), logits
        ... )
        >>> combined.loss.backward()
    """

    task_norm: Tensor
    objective_norm: Tensor
    updates: Tensor

    def __init__(self, kind: WeightingKind = "fixed", beta: float = 1.0) -> None:
        super().__init__()
        if kind not in get_args(WeightingKind):
            raise UsageError(f"unknown option weighting={kind!r}{did_you_mean(str(kind), get_args(WeightingKind))}")
        if not 0 <= beta < float("inf"):
            raise UsageError(f"beta is 0 or a positive number; received {beta!r}; start with 'auto'")
        self.kind = kind
        self.beta = float(beta)
        self.register_buffer("task_norm", torch.zeros(()))
        self.register_buffer("objective_norm", torch.zeros(()))
        self.register_buffer("updates", torch.zeros(()))

    def combine(
        self,
        task_loss: Tensor,
        student_features: Tensor,
        objective: Callable[[Tensor, Tensor | None], Tensor],
        parameters: Iterable[nn.Parameter] = (),
        logits: Tensor | None = None,
        *,
        task_active: bool = True,
    ) -> Combined:
        """Make a loss whose gradient is that of the task plus that of the objective at this strength.

        R is evaluated, and differentiated, once, at the edge of the student; the rest of the student is passed once.

        Args:
            task_loss: A scalar.
            student_features: ``(B, d)``, with its graph.
            objective: Computes R from student features and logits.
            parameters: The objective's own parameters.
            logits: ``(B, C)``, with its graph, for objectives that act on them.
            task_active: Whether the task loss covers any sample; a batch without a label does not move the norms.

        Returns:
            The loss, R and the coefficient.
        """
        features_leaf = student_features.detach().requires_grad_()
        logits_leaf = None if logits is None else logits.detach().requires_grad_()
        with torch.enable_grad():
            value = objective(features_leaf, logits_leaf)
        own = [parameter for parameter in parameters if parameter.requires_grad]
        inputs = [features_leaf, *([] if logits_leaf is None else [logits_leaf]), *own]
        gradients = list(torch.autograd.grad(value, inputs, allow_unused=True))
        at_features = gradients.pop(0)
        at_logits = None if logits is None else gradients.pop(0)
        coefficient = torch.as_tensor(self.beta, device=value.device, dtype=torch.float32)
        if self.kind == "balanced":
            coefficient = self.beta * self._ratio(
                task_loss, student_features, at_features, logits, at_logits, task_active
            )
        # Linear in what it is differentiated by, so that its gradient is exactly the gradient asked for.
        loss = task_loss
        if at_features is not None:
            loss = loss + (student_features.float() * (coefficient * at_features.float())).sum()
        if logits is not None and at_logits is not None:
            loss = loss + (logits.float() * (coefficient * at_logits.float())).sum()
        for parameter, gradient in zip(own, gradients, strict=True):
            if gradient is not None:
                loss = loss + (parameter * gradient).sum()
        return Combined(loss, value.detach(), coefficient)

    def _ratio(
        self,
        task_loss: Tensor,
        features: Tensor,
        at_features: Tensor | None,
        logits: Tensor | None,
        at_logits: Tensor | None,
        task_active: bool,
    ) -> Tensor:
        if task_active:
            # A half-precision gradient would lose small entries: 1024 keeps them, and the norm gives it back.
            scale = 1024.0 if features.dtype == torch.float16 else 1.0
            (task,) = torch.autograd.grad(task_loss * scale, features, retain_graph=True, allow_unused=True)
            total = torch.zeros_like(features) if at_features is None else at_features
            if logits is not None and at_logits is not None and logits.requires_grad:
                (through,) = torch.autograd.grad(logits, features, at_logits, retain_graph=True, allow_unused=True)
                total = total if through is None else total + through
            norms = torch.stack(
                [
                    torch.zeros((), device=features.device) if task is None else task.float().norm() / scale,
                    total.float().norm(),
                ]
            )
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                norms.square_()  # each process holds the rows of its own samples
                torch.distributed.all_reduce(norms)
                norms.sqrt_()
            self.task_norm.mul_(DECAY).add_(norms[0], alpha=1 - DECAY)
            self.objective_norm.mul_(DECAY).add_(norms[1], alpha=1 - DECAY)
            self.updates.add_(1)
        # Both averages start at zero and so carry the same bias, which the ratio cancels.
        ratio = self.task_norm / self.objective_norm.clamp(min=torch.finfo(torch.float32).tiny)
        return torch.where(self.updates > 0, ratio.clamp(max=LARGEST_RATIO), torch.zeros_like(ratio))

    def extra_repr(self) -> str:
        """What ``repr`` shows between the brackets."""
        return f"{self.kind!r}, beta={self.beta}"
