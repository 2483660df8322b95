"""The device that models run on, and the precisions that it is good at."""

import time

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


def slow_precision(device: torch.device, precision: str) -> str | None:
    """Say so if a processor lacks arithmetic of a half precision: it then takes many times as long as fp32.

    Args:
        device: The device; accelerators are not examined.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"``.

    Returns:
        A sentence for a warning; None if nothing is wrong.
    """
    if device.type != "cpu" or precision == "fp32":
        return None
    ratio = _seconds(torch.bfloat16 if precision == "bf16" else torch.float16) / _seconds(torch.float32)
    if ratio < 2:
        return None
    return (
        f"this processor has no arithmetic for precision={precision!r}: a product of matrices takes {ratio:.0f} times as long as in "
        "fp32; use precision='fp32'"
    )


def _seconds(dtype: torch.dtype) -> float:
    """Duration of a product of two matrices: the shortest of ten, as others use the processor too."""
    matrix = torch.ones(256, 256, dtype=dtype)
    durations = []
    for _ in range(10):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        durations.append(time.perf_counter() - start)
    return min(durations)
