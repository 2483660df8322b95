"""Distribute shards: to this process, to several processes, or to a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Literal

import torch

from aft.core import Progress, cores, is_picklable, process_pool
from aft.errors import TrainingError, UsageError
from aft.extraction._worker import ShardTask, Worker

Engine = Literal["local", "ray"]


def run_tasks(
    worker: Worker,
    tasks: Sequence[ShardTask],
    make: Callable[[], Worker],
    processes: int | None,
    threads: int | None,
    progress: Progress,
    engine: Engine = "local",
) -> Iterator[list[int]]:
    """Run tasks. Each shard is committed by the process that computes it.

    Args:
        worker: The worker of this process.
        tasks: The tasks.
        make: Builds the same worker in another process.
        processes: Number of processes. None means one, or with Ray as many as the cluster has resources for.
        threads: Threads per process.
        progress: Counts the vectors that are computed.
        engine: ``"local"`` or ``"ray"``.

    Yields:
        The result of `Worker.compute` for each task, in the order of completion.

    Raises:
        UsageError: The dataset or a teacher cannot be sent to other processes.
        TrainingError: A process was killed.
    """
    if engine == "ray" and tasks:
        from aft.extraction._ray import run_on_ray

        yield from run_on_ray(tasks, make, processes, threads, progress)
        return
    processes = processes or 1
    if processes == 1 or not tasks:
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        try:
            for task in tasks:
                yield worker.compute(task, progress)
        finally:
            torch.set_num_threads(before)
        return
    if not is_picklable(make):
        raise UsageError(
            f"several processes need a dataset and teachers that can be pickled; received processes={processes} and "
            "objects that cannot be pickled; give each teacher by name, or omit processes="
        )
    threads = threads or max(1, cores() // processes)
    with process_pool(make, min(processes, max(1, len(tasks))), threads) as call:
        vectors = {call("compute", task): task.vectors for task in tasks}
        for future in as_completed(vectors):
            try:
                truncated: list[int] = future.result()
            except BrokenProcessPool as error:
                raise TrainingError(
                    "every process of an extraction must survive; one was killed, possibly for lack of memory; "
                    "run the same command again with fewer processes: committed shards are kept"
                ) from error
            progress(vectors[future])
            yield truncated
