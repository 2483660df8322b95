"""A differentiable all-gather, for objectives over the global batch of a distributed training."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def all_gather(rows: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
    """Concatenate the rows of all processes, so that an objective sees the global batch.

    Every process must compute the same value from the result. Data-parallel training averages gradients over
    the processes, but each process only contributes the gradient of its own rows. The backward pass therefore
    multiplies the gradient by the number of processes, so that the average equals the gradient of a single
    process on the global batch. The objective's own parameters receive the gradient of the global batch in
    every process, which averaging leaves unchanged.

    Args:
        rows: This process's share of the batch, ``(b, ...)``. Shares may differ in length.
        sizes: The length of each process's share, if known. Otherwise the processes exchange their lengths.

    Returns:
        ``(B, ...)``, ordered by rank; ``rows`` itself if there is only one process.

    Example:
        >>> psi = {name: all_gather(features) for name, features in teacher_features.items()}
        >>> loss = task_loss + 10.0 * objective(all_gather(student_features), psi)
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows
    if sizes is None:
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        sizes = torch.cat(counts).tolist()
    gathered: Tensor = _AllGather.apply(rows, tuple(sizes))
    return gathered


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: tuple[int, ...]) -> Tensor:
        padded = rows.new_zeros((max(sizes), *rows.shape[1:]))  # the collective needs equal lengths
        padded[: len(rows)] = rows
        shares = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(shares, padded)
        ctx.start, ctx.length = sum(sizes[: dist.get_rank()]), len(rows)
        return torch.cat([share[:size] for share, size in zip(shares, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.start : ctx.start + ctx.length] * dist.get_world_size(), None
