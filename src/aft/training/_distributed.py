"""A batch cut among the processes that train one student together."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aft.errors import UsageError
from aft.core import TIMEOUT, init_process_group, rank, world_size
from aft.training._encoded import TrainingData

Scope = Literal["global", "local"]


class SharedData:
    """Samples, of which a process gets its share of each batch: every ``world``-th, so that the labelled ones are spread.

    A batch is the same as that of one process, whatever their number. Where the objective sees the whole of it (``global``),
    teachers' features are read for all of its samples: from a memory map that costs less than sending them around.

    Args:
        data: The samples.
        batch_size: Samples a step, of all processes together.
        scope: What the objective sees: the whole batch (``global``) or the process's own share (``local``).

    Raises:
        UsageError: Fewer samples than processes.
    """

    def __init__(self, data: TrainingData, batch_size: int, scope: Scope) -> None:
        if batch_size < world_size():
            raise UsageError(
                f"a batch holds a sample for each process; received {batch_size} for {world_size()} processes; "
                "raise --batch-size or start fewer"
            )
        self._data, self._scope = data, scope

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._data)

    def __getitems__(self, indices: list[int]) -> dict[str, Any]:
        """This process's share of a batch."""
        shares = [indices[first :: world_size()] for first in range(world_size())]
        mine = shares[rank()]
        whole = [index for share in shares for index in share]  # in the order that gathering gives
        batch = self._data.batch(mine, whole if self._scope == "global" else mine)
        labelled = self._data.labelled
        everywhere = int(labelled[whole].sum())
        return {
            **batch,
            "ids": [self._data.dataset.ids[index] for index in whole],
            # Decides whether the processes exchange norms: so it is that of all.
            "any_labelled": everywhere > 0,
            # The task loss is a mean over the process's labelled samples; gradients are averaged over processes.
            "weight": int(labelled[mine].sum()) * world_size() / max(1, everywhere),
            "sizes": [len(share) for share in shares] if self._scope == "global" else None,
        }


def synchronise_buffers(module: nn.Module) -> None:
    """Give all processes the first one's buffers: what was fitted on machines that round differently may differ."""
    init_process_group()
    for buffer in module.buffers():
        held = buffer.contiguous() if buffer.dtype != torch.bool else buffer.to(torch.uint8)  # gloo sends no booleans
        dist.broadcast(held, 0)
        buffer.copy_(held)


def everywhere_finite(finite: Tensor) -> Tensor:
    """Which of the steps went well in all processes: ``(n,)`` booleans, of which each process has its own."""
    if world_size() == 1:
        return finite
    flags = finite.to(torch.int32)
    dist.all_reduce(flags, dist.ReduceOp.MIN)
    return flags.bool()


def mean_of_all(values: Sequence[Tensor]) -> list[float]:
    """Scalars averaged over the processes."""
    stacked = torch.stack([value.detach().float() for value in values])
    if world_size() > 1:
        dist.all_reduce(stacked)
        stacked /= world_size()
    return [float(value) for value in stacked]


def trainer_options(device: torch.device) -> dict[str, Any]:
    """How Lightning is to spread a training: over this process alone, or over all that a launcher has started.

    Returns:
        Arguments of its Trainer.
    """
    accelerator = "gpu" if device.type == "cuda" else device.type
    if world_size() == 1:
        return {"accelerator": accelerator, "devices": [device.index or 0] if device.type == "cuda" else 1}
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    init_process_group()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", str(world_size())))
    return {
        "accelerator": accelerator,
        "devices": here,
        "num_nodes": world_size() // here,
        # A student may have parameters that its task does not use. What is fitted never changes: it is not sent at every step.
        "strategy": DDPStrategy(find_unused_parameters=True, broadcast_buffers=False, timeout=TIMEOUT),
        # Under Slurm too, the ranks are torchrun's.
        "plugins": [TorchElasticEnvironment()],
        "sync_batchnorm": device.type == "cuda",
    }
