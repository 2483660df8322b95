"""Processes that work for one another: a pool whose workers keep what they have made, and the ranks of a launcher."""

import atexit
import multiprocessing
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

#: Ranks wait for each other this long: the slowest may compute for days.
PATIENCE = timedelta(days=7)

Call = Callable[..., "Future[Any]"]
T = TypeVar("T")


@contextmanager
def pool(make: Callable[[], Any], processes: int, threads: int) -> Iterator[Call]:
    """Start processes that each make one object and then call its methods.

    Args:
        make: Makes the object, in each process on its first call; must be `picklable`.
        processes: How many.
        threads: Threads of torch in each.

    Yields:
        ``call(method, *arguments)``, which answers with a future. Leaving the block by an exception ends the processes at once; they
        also end when this process is killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "make"
        path.write_bytes(pickle.dumps(make))
        context = multiprocessing.get_context("spawn")  # a fork of a process whose threads compute may hang
        executor = ProcessPoolExecutor(processes, context, initializer=_start, initargs=(str(path), threads))
        try:
            yield lambda method, *arguments: executor.submit(_call, method, *arguments)
        except BaseException:
            for process in list((executor._processes or {}).values()):
                process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)
            raise
        executor.shutdown()


def picklable(value: Any) -> bool:
    """Whether other processes can be handed this."""
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


_make: Callable[[], Any] | None = None
_made: Any = None


def _start(path: str, threads: int) -> None:
    global _make  # noqa: PLW0603 - a process of a pool has nowhere else to keep what its calls share
    import torch

    torch.set_num_threads(threads)
    _watch_parent()
    _make = pickle.loads(Path(path).read_bytes())  # noqa: S301 - written by the parent a moment ago


def _call(method: str, *arguments: Any) -> Any:
    global _made  # noqa: PLW0603
    if _made is None:
        assert _make is not None
        _made = _make()  # here and not in the initialiser, whose exceptions nobody would hear of
    return getattr(_made, method)(*arguments)


def _watch_parent() -> None:
    """End with the parent: one that is killed cannot tell its children."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def rank() -> int:
    """This process's number among those that a launcher (torchrun, Slurm by torchrun) has started; 0 where it is alone."""
    return int(os.environ["RANK"]) if world() > 1 else 0


def world() -> int:
    """How many processes a launcher has started; 1 where there is none."""
    launched = "RANK" in os.environ and "MASTER_ADDR" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if launched else 1


def local_rank() -> int:
    """This process's number among those of its machine, which is that of the accelerator it takes."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world() > 1 else 0


def meet() -> None:
    """Connect the ranks that a launcher has started; nothing where this process is alone, or where they are connected."""
    if world() == 1:
        return
    import torch

    if not torch.distributed.is_initialized():
        backend = "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank())
            backend = "cpu:gloo,cuda:nccl"
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
        atexit.register(_part)


def _part() -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def wait_for_all() -> None:
    """Wait until every rank is here; nothing where this process is alone."""
    if world() > 1:
        import torch

        meet()
        torch.distributed.barrier()


def agree(value: T) -> T:
    """Take the first rank's value for one that the ranks may each have another of, such as a time or a rounded number.

    Args:
        value: This rank's.

    Returns:
        The first rank's, in all; the value itself where this process is alone.
    """
    if world() == 1:
        return value
    import torch

    meet()
    held = [value if rank() == 0 else None]
    torch.distributed.broadcast_object_list(held, device=torch.device("cpu"))
    return held[0]  # type: ignore[return-value]


def of_all(value: T) -> list[T]:
    """What each rank has, by rank."""
    if world() == 1:
        return [value]
    import torch

    meet()
    values: list[Any] = [None] * world()
    torch.distributed.all_gather_object(values, value)
    return values


def by_first(work: Callable[[], T]) -> T:
    """Do something once, in the first rank; what came of it, an error too, comes to all.

    Args:
        work: What to do; its result must be picklable.

    Returns:
        Its result.
    """
    result: T | None = None
    error: Exception | None = None
    if rank() == 0:
        try:
            result = work()
        except Exception as raised:
            error = raised
    result, error = agree((result, error))
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
