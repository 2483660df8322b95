"""What all ranks of a machine need, made by one of them."""

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple, TypeVar

from aft.core._cache import scratch_dir
from aft.core._distributed import all_gather_object, barrier, local_rank, rank, world_size
from aft.core._shared_pickle import dump_shared, is_picklable, load_shared

T = TypeVar("T")


class _Made(NamedTuple):
    """What a rank tells the others: its machine, and the folder of what it has made, or the error."""

    machine: str
    folder: str | None
    error: Exception | None


def once_per_machine(make: Callable[[], T]) -> T:
    """Call a function in one process of each machine, and give its result to all ranks there.

    Its large arrays are in a file that they map, so that memory holds them once. All ranks have to call this together; what cannot
    be pickled is made by each of them.

    Args:
        make: The function. It must not communicate with other ranks.

    Returns:
        The result.

    Raises:
        Exception: What the function raised on any machine, on every rank.
    """
    if world_size() == 1:
        return make()
    first = local_rank() == 0
    place: AbstractContextManager[str | None] = (
        tempfile.TemporaryDirectory(prefix="ranks-", dir=scratch_dir()) if first else nullcontext()
    )
    with place as folder:
        mine = _Made(os.environ.get("GROUP_RANK", str(rank())), None, None)
        result: list[T] = []
        if folder is not None:
            try:
                result.append(make())
                if _ranks_here() > 1 and is_picklable(result[0]):
                    dump_shared(result[0], Path(folder))
                    mine = mine._replace(folder=folder)
            except Exception as error:
                mine = mine._replace(error=error)
        everyone = all_gather_object(mine)
        for one in everyone:
            if one.error is not None:
                raise one.error
        shared = next((one.folder for one in everyone if one.machine == mine.machine and one.folder), None)
        if shared is not None:
            result.clear()  # before it is loaded, or this process would hold it twice
            result.append(load_shared(Path(shared)))
        barrier()  # what is mapped remains when the folder is removed
    return result[0] if result else make()


def _ranks_here() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
