"""The device that models run on."""

import torch

from aft.core import local_rank, world_size
from aft.errors import UsageError


def choose_device(device: str) -> torch.device:
    """Resolve the name of a device.

    Args:
        device: ``"auto"`` for an accelerator if there is one, or a device name of torch's. With several
            processes on a machine, ``"cuda"`` gives each rank an accelerator of its own.

    Returns:
        The device.

    Raises:
        UsageError: The device is unknown or not available on this machine.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"a device is auto, cpu, cuda or mps, and must be available; received {device!r}; use device='auto'"
        ) from error
    if chosen.type == "cuda" and chosen.index is None and world_size() > 1:
        chosen = torch.device("cuda", local_rank())
    return chosen
