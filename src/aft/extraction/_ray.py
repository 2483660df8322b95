"""Compute shards by actors of a Ray cluster whose machines share a file system or object storage."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from aft.core import Progress
from aft.errors import AftError, MissingExtraError, TrainingError
from aft.extraction._worker import ShardTask, Worker

#: Attempts per task: nodes may fail, but a task that kills every process must not be retried for ever.
ATTEMPTS = 4


def run_on_ray(
    tasks: Sequence[ShardTask],
    make: Callable[[], Worker],
    actors: int | None,
    threads: int | None,
    progress: Progress,
) -> Iterator[list[int]]:
    """Run tasks by actors. Each actor loads the teachers once and commits the shards that it computes.

    Work from failed actors or nodes is rescheduled, on new actors where the cluster has resources for them.

    Args:
        tasks: The tasks.
        make: Builds a worker.
        actors: Number of actors; by default as many as the cluster has resources for.
        threads: Threads, and CPUs, per actor; 1 by default.
        progress: Counts the vectors that are computed.

    Yields:
        The result of `Worker.compute` for each task, in the order of completion.

    Raises:
        MissingExtraError: Ray is not installed.
        TrainingError: Actors keep failing on a task.
    """
    try:
        import ray
        from ray.exceptions import RayActorError
    except ImportError as error:
        raise MissingExtraError(
            "engine='ray' needs Ray, which is not installed; run pip install 'adaptive-feature-transfer[ray]'"
        ) from error
    threads = threads or 1
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(log_to_driver=False, configure_logging=False)  # the cluster of RAY_ADDRESS, or one on this machine
    resources: dict[str, float] = {"num_cpus": threads, "num_gpus": 1 if torch.cuda.is_available() else 0}
    actor_class = ray.remote(**resources)(_Actor)
    capacity = int(ray.cluster_resources().get("CPU", 1)) // threads
    wanted = min(actors or max(1, capacity), len(tasks))
    shared = ray.put(make)
    waiting, attempts, failed_starts = deque(tasks), Counter[ShardTask](), 0
    # An actor receives work only once it is running: one that waits for resources must not hold a task back.
    starting: dict[Any, Any] = {}
    running: dict[Any, tuple[Any, ShardTask]] = {}

    def start_actor() -> None:
        actor = actor_class.remote(shared, threads)
        starting[actor.ready.remote()] = actor

    def assign(actor: Any) -> None:
        if waiting:
            task = waiting.popleft()
            running[actor.compute.remote(task)] = (actor, task)

    try:
        for _ in range(wanted):
            start_actor()
        while waiting or running:
            (done, *_), _ = ray.wait([*running, *starting], num_returns=1)
            if done in starting:
                actor = starting.pop(done)
                try:
                    ray.get(done)
                except RayActorError as error:
                    failed_starts += 1
                    if failed_starts > ATTEMPTS * wanted:
                        raise TrainingError(
                            f"an extraction needs actors that start; {failed_starts} failed before they received any "
                            "work; check the logs of the cluster"
                        ) from error
                    start_actor()
                    continue
                assign(actor)
                continue
            actor, task = running.pop(done)
            try:
                truncated: list[int] = ray.get(done)
            except RayActorError as error:
                attempts[task] += 1
                if attempts[task] >= ATTEMPTS:
                    raise TrainingError(
                        f"every shard must be computable; {ATTEMPTS} actors died on the same shard, possibly for lack "
                        "of memory; run the same command again with fewer actors or a smaller batch_size=: committed "
                        "shards are kept"
                    ) from error
                waiting.appendleft(task)
                start_actor()
                continue
            except AftError:
                raise  # Ray also raises an actor's error as an instance of the error's own class
            progress(task.vectors)
            yield truncated
            assign(actor)
    finally:
        for actor in [*starting.values(), *(actor for actor, _ in running.values())]:
            ray.kill(actor)
        if started_here:
            ray.shutdown()


class _Actor:
    """A worker in a Ray process."""

    def __init__(self, make: Callable[[], Worker], threads: int) -> None:
        torch.set_num_threads(threads)
        self._make = make
        self._worker: Worker | None = None

    def ready(self) -> None:
        """Return when the actor is running."""

    def compute(self, task: ShardTask) -> list[int]:
        """Run a task; the worker is built on the first one."""
        if self._worker is None:
            self._worker = self._make()
        return self._worker.compute(task)
