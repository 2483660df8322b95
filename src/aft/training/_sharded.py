"""The share of each batch that one of several processes trains on."""

from typing import Any, Literal

import numpy as np

from aft.core import rank, world_size
from aft.errors import UsageError
from aft.training._encoded import EncodedDataset
from aft.training._sampler import Step

Scope = Literal["global", "local"]


class ShardedDataset:
    """Gives each process every ``world_size``-th sample of each batch.

    The batches are those of a single process, whatever the number of processes. With the ``"global"`` scope each process reads
    the teachers' features of the whole batch, since reading them from a memory map costs less than exchanging them.

    Args:
        samples: The samples.
        batch_size: Samples per step, over all processes.
        scope: What the objectives see: the ``"global"`` batch or the ``"local"`` share.

    Raises:
        UsageError: The batch size is smaller than the number of processes.
    """

    def __init__(self, samples: EncodedDataset, batch_size: int, scope: Scope) -> None:
        if batch_size < world_size():
            raise UsageError(
                f"a batch needs a sample for each process; received batch_size={batch_size} for {world_size()} processes; "
                "raise it or start fewer processes"
            )
        self._samples, self._scope = samples, scope

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._samples)

    def __getitem__(self, step: Step) -> dict[str, Any]:
        """This process's share of the batch of a step."""
        shares = [range(first, len(step.positions), world_size()) for first in range(world_size())]
        mine = shares[rank()]
        whole = [place for share in shares for place in share]  # in the order that all_gather gives
        batch = self._samples.batch(step, mine, whole if self._scope == "global" else mine)
        labelled = self._samples.labelled[step.positions]
        everywhere = int(labelled.sum())
        return {
            **batch,
            "positions": np.asarray(step.positions, dtype=np.int64)[whole],
            # It decides whether the processes exchange norms, so all must have the same value.
            "any_labelled": everywhere > 0,
            # The task loss is a mean over this process's labelled samples, and gradients are averaged over processes.
            "weight": int(labelled[mine].sum()) * world_size() / max(1, everywhere),
            "sizes": [len(share) for share in shares] if self._scope == "global" else None,
        }
