"""How beta weighs an objective against the task loss: ``fixed`` or ``balanced``."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from aft.errors import UsageError, did_you_mean

WeightingKind = Literal["fixed", "balanced"]

#: Decay of the running gradient norms: they average over roughly the last fifty steps.
DECAY = 0.98
#: Upper limit of the ratio of the two norms, which diverges as R and its gradient approach 0.
MAX_RATIO = 100.0


class Combined(NamedTuple):
    """The result of `Weighting.combine`.

    Attributes:
        loss: The tensor to call ``backward`` on. Its gradient is the combined one; its value has no meaning.
        objective: The value of ``R``, detached.
        coefficient: The factor by which the gradient of R at the student was multiplied.
    """

    loss: Tensor
    objective: Tensor
    coefficient: Tensor


class Weighting(nn.Module):
    """Add an objective to the task loss, weighted by beta.

    ``fixed`` adds ``beta * R`` to the loss, as in the paper. The gradient of a kernel objective scales with
    ``1 / ||phi||``, so the same beta can be negligible for one student and far too large for another.
    ``balanced`` therefore makes beta relative to the task: it scales R's gradient at the student's features
    by ``beta * EMA(||dL/dphi||) / EMA(||dR/dphi||)``, where EMA is a running average over steps. With both
    kinds, the objective's own parameters are trained on R itself.

    The running averages are buffers: checkpoints contain them, and in distributed training the norms cover
    the samples of all processes.

    Args:
        kind: ``"fixed"`` or ``"balanced"``.
        beta: The weight of the objective, 0 or positive.

    Raises:
        UsageError: The kind is unknown, or beta is negative or not finite.

    Example:
        >>> weighting = Weighting("balanced", beta=1.0)
        >>> combined = weighting.combine(
        ...     task_loss,
        ...     student_features,
        ...     lambda phi, logits: objective(phi, teacher_features, logits=logits),
        ...     objective.parameters(),
        ...     logits,
        ... )
        >>> combined.loss.backward()
    """

    task_norm: Tensor
    objective_norm: Tensor
    updates: Tensor

    def __init__(self, kind: WeightingKind = "fixed", beta: float = 1.0) -> None:
        super().__init__()
        if kind not in get_args(WeightingKind):
            raise UsageError(f"unknown weighting {kind!r}{did_you_mean(str(kind), get_args(WeightingKind))}")
        if not 0 <= beta < float("inf"):
            raise UsageError(f"beta must be 0 or a positive number; received {beta!r}; pass for example beta=1.0")
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
        """Build a loss whose gradient is the task's gradient plus the weighted gradient of the objective.

        R is evaluated and differentiated once, with respect to the student's features and logits. The student
        itself is only traversed once, in the caller's ``backward``.

        Args:
            task_loss: A scalar tensor.
            student_features: ``(B, d)``, attached to its graph.
            objective: A function that computes R from student features and logits.
            parameters: The objective's own parameters.
            logits: ``(B, C)``, attached to their graph, for objectives that act on them.
            task_active: Whether the task loss covers any sample. A batch without labels does not update the
                norms.

        Returns:
            The loss, the value of R and the coefficient.
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
        # Filled on the device: to copy a number there is to wait for it.
        coefficient = torch.full((), self.beta, device=value.device, dtype=torch.float32)
        if self.kind == "balanced":
            coefficient = self.beta * self._norm_ratio(
                task_loss, student_features, at_features, logits, at_logits, task_active
            )
        # Each term is linear in the tensor it is differentiated by, so its gradient is exactly the given one.
        loss = task_loss
        if at_features is not None:
            loss = loss + (student_features.float() * (coefficient * at_features.float())).sum()
        if logits is not None and at_logits is not None:
            loss = loss + (logits.float() * (coefficient * at_logits.float())).sum()
        for parameter, gradient in zip(own, gradients, strict=True):
            if gradient is not None:
                loss = loss + (parameter * gradient).sum()
        return Combined(loss, value.detach(), coefficient)

    def _norm_ratio(
        self,
        task_loss: Tensor,
        features: Tensor,
        at_features: Tensor | None,
        logits: Tensor | None,
        at_logits: Tensor | None,
        task_active: bool,
    ) -> Tensor:
        """Update the running norms and return the ratio of the task's norm to the objective's."""
        if task_active:
            # Small entries of a float16 gradient would underflow: scale the loss up, and the norm back down.
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
                norms.square_()  # each process has the rows of its own samples
                torch.distributed.all_reduce(norms)
                norms.sqrt_()
            self.task_norm.mul_(DECAY).add_(norms[0], alpha=1 - DECAY)
            self.objective_norm.mul_(DECAY).add_(norms[1], alpha=1 - DECAY)
            self.updates.add_(1)
        # Both averages start at zero and so have the same bias, which cancels in the ratio.
        ratio = self.task_norm / self.objective_norm.clamp(min=torch.finfo(torch.float32).tiny)
        return torch.where(self.updates > 0, ratio.clamp(max=MAX_RATIO), torch.zeros_like(ratio))

    def extra_repr(self) -> str:
        """Return the part of ``repr`` between the parentheses."""
        return f"{self.kind!r}, beta={self.beta}"
