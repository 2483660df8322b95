"""The batch of all processes that train together, with its gradient."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def all_gather(rows: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
    """Put the rows of all processes under one another, so that an objective sees the whole batch.

    Every process must then compute the same value from the result. Data parallel training averages gradients over the
    processes, while each of these holds the rows of its own samples alone: so the gradient that goes back through this is
    multiplied by the number of processes, and what comes out of the average is the gradient of one process on the whole
    batch. Parameters of the objective itself see the whole batch everywhere; their average is what each has.

    Args:
        rows: ``(b, ...)``, this process's part of the batch; parts may differ in length.
        sizes: The length of each process's part where that is known; else the processes tell each other.

    Returns:
        ``(B, ...)``, by process number; ``rows`` itself where there is one process.

    Example:
        >>> psi = {name: all_gather(part) for name, part in teacher_features.items()}
        >>> loss = task_loss + 10.0 * objective(all_gather(student_features), psi)
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows
    if sizes is None:
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        sizes = torch.cat(counts).tolist()
    whole: Tensor = _Gather.apply(rows, tuple(sizes))
    return whole


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: tuple[int, ...]) -> Tensor:
        padded = rows.new_zeros((max(sizes), *rows.shape[1:]))  # processes exchange equal lengths
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        ctx.start, ctx.length = sum(sizes[: dist.get_rank()]), len(rows)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.start : ctx.start + ctx.length] * dist.get_world_size(), None
