"""Communication between the ranks of a launcher such as torchrun; trivial in a single process."""

import atexit
import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

#: Seconds that the threads of the process group have to end at exit.
RELEASE = 0.3
#: How long ranks wait for each other: the slowest may compute for days.
TIMEOUT = timedelta(days=7)

T = TypeVar("T")


def world_size() -> int:
    """Number of processes that a launcher has started; 1 without a launcher."""
    launched = "RANK" in os.environ and "MASTER_ADDR" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if launched else 1


def rank() -> int:
    """The rank of this process; 0 without a launcher."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def local_rank() -> int:
    """The rank of this process on its machine, which is also the index of its accelerator."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world_size() > 1 else 0


def init_process_group() -> None:
    """Connect the ranks, unless they are connected already."""
    if world_size() == 1:
        return
    import torch

    if not torch.distributed.is_initialized():
        backend = "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank())
            backend = "cpu:gloo,cuda:nccl"
        torch.distributed.init_process_group(backend, timeout=TIMEOUT)
    # Registered last, it is called first, which leaves its threads the time in which everything else ends.
    atexit.unregister(_destroy_process_group)
    atexit.register(_destroy_process_group)


def _destroy_process_group() -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        # Gloo's threads may still release what they have exchanged, for which they need the interpreter: one that comes when the
        # interpreter has gone aborts the process.
        time.sleep(RELEASE)


def barrier() -> None:
    """Wait until every rank has reached this point."""
    if world_size() > 1:
        import torch

        init_process_group()
        torch.distributed.barrier()


def broadcast_object(value: T) -> T:
    """Give all ranks the value of rank 0.

    Args:
        value: The value of this rank, for example a time or a rounded number, which may differ between ranks.

    Returns:
        The value of rank 0.
    """
    if world_size() == 1:
        return value
    import torch

    init_process_group()
    held = [value if rank() == 0 else None]
    torch.distributed.broadcast_object_list(held, device=torch.device("cpu"))
    return held[0]  # type: ignore[return-value]


def all_gather_object(value: T) -> list[T]:
    """Collect the value of every rank, in the order of the ranks."""
    if world_size() == 1:
        return [value]
    import torch

    init_process_group()
    values: list[Any] = [None] * world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def rank_zero_first(function: Callable[[], T]) -> T:
    """Call a function on rank 0 and give its result, or its error, to all ranks.

    Args:
        function: The function. Its result, or its exception, must be picklable.

    Returns:
        The result of rank 0.

    Raises:
        Exception: The exception of rank 0, on every rank.
    """
    result: T | None = None
    error: Exception | None = None
    if rank() == 0:
        try:
            result = function()
        except Exception as raised:
            error = raised
    result, error = broadcast_object((result, error))
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
