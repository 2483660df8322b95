"""Collectives and Trainer options for training by several processes."""

import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aft.core import TIMEOUT, init_process_group, world_size


def broadcast_buffers(module: nn.Module) -> None:
    """Give all processes the buffers of rank 0: values fitted on different machines can differ by rounding."""
    init_process_group()
    for buffer in module.buffers():
        held = buffer.contiguous() if buffer.dtype != torch.bool else buffer.to(torch.uint8)  # gloo sends no booleans
        dist.broadcast(held, 0)
        buffer.copy_(held)


def all_finite(finite: Tensor) -> Tensor:
    """Which steps were finite in all processes, ``(n,)``, from those that were finite in this one."""
    if world_size() == 1:
        return finite
    flags = finite.to(torch.int32)
    dist.all_reduce(flags, dist.ReduceOp.MIN)
    return flags.bool()


def mean_over_processes(values: Sequence[Tensor]) -> list[float]:
    """Scalars averaged over the processes."""
    stacked = torch.stack([value.detach().float() for value in values])
    if world_size() > 1:
        dist.all_reduce(stacked)
        stacked /= world_size()
    return [float(value) for value in stacked]


def trainer_options(device: torch.device) -> dict[str, Any]:
    """Arguments of Lightning's Trainer: this process alone, or all that a launcher has started."""
    accelerator = "gpu" if device.type == "cuda" else device.type
    if world_size() == 1:
        return {"accelerator": accelerator, "devices": [device.index or 0] if device.type == "cuda" else 1}
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    init_process_group()
    on_this_machine = int(os.environ.get("LOCAL_WORLD_SIZE", str(world_size())))
    return {
        "accelerator": accelerator,
        "devices": on_this_machine,
        "num_nodes": world_size() // on_this_machine,
        # A student may have parameters that its task does not use. Fitted buffers never change, so they are sent once.
        "strategy": DDPStrategy(find_unused_parameters=True, broadcast_buffers=False, timeout=TIMEOUT),
        # Under Slurm, too, the ranks are torchrun's.
        "plugins": [TorchElasticEnvironment()],
        "sync_batchnorm": device.type == "cuda",
    }
