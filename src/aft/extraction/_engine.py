"""Who computes the shards: this process, or several."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Literal

import torch

from aft.errors import TrainingError, UsageError
from aft.extraction._worker import Unit, Worker
from aft.core import is_picklable, process_pool
from aft.core import Progress

Engine = Literal["local", "ray"]


def run_units(
    worker: Worker,
    units: Sequence[Unit],
    make: Callable[[], Worker],
    processes: int | None,
    threads: int | None,
    bar: Progress,
    engine: Engine = "local",
) -> Iterator[list[int]]:
    """Compute units; each is committed by whoever computed it.

    Args:
        worker: This process's.
        units: What to compute.
        make: Makes such a worker in another process.
        processes: How many compute; None for one, or with Ray as many as there is room for.
        threads: Threads of each.
        bar: Told of the vectors.
        engine: ``local`` or ``ray``.

    Yields:
        What `Worker.work` returns, as units are done.

    Raises:
        UsageError: A dataset or teacher that other processes cannot be sent.
        TrainingError: A process was killed.
    """
    if engine == "ray" and units:
        from aft.extraction._ray import run_on_ray

        yield from run_on_ray(units, make, processes, threads, bar)
        return
    processes = processes or 1
    if processes == 1 or not units:
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        try:
            for unit in units:
                yield worker.work(unit, bar)
        finally:
            torch.set_num_threads(before)
        return
    if not is_picklable(make):
        raise UsageError(
            f"processes are sent dataset and teacher; received some that cannot be pickled, and processes={processes}; "
            "name the teacher, or leave out processes"
        )
    threads = threads or max(1, (os.cpu_count() or 1) // processes)
    with process_pool(make, min(processes, max(1, len(units))), threads) as call:
        vectors = {call("work", unit): unit.vectors for unit in units}
        for future in as_completed(vectors):
            try:
                cut: list[int] = future.result()
            except BrokenProcessPool as error:
                raise TrainingError(
                    "an extraction needs its processes to the end; one was killed, for lack of memory perhaps; what was committed is "
                    "safe: run the same command again, with fewer processes"
                ) from error
            bar(vectors[future])
            yield cut
