"""Shards computed by actors of a Ray cluster whose machines share a file system."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from aft.errors import AftError, MissingExtraError, TrainingError
from aft.extraction._worker import Unit, Worker
from aft.core import Progress

#: How often a unit is tried: machines may go, but a unit that kills whoever computes it must end.
TRIES = 4


def run_on_ray(
    units: Sequence[Unit], make: Callable[[], Worker], actors: int | None, threads: int | None, bar: Progress
) -> Iterator[list[int]]:
    """Compute units by actors, each of which loads the teachers once; each shard is committed by the actor that computed it.

    An actor that dies, or whose machine does, is replaced where there is room, and its unit computed again.

    Args:
        units: What to compute.
        make: Makes a worker.
        actors: How many; by default as many as the cluster has room for.
        threads: Threads, and processors, of each; by default 1.
        bar: Told of the vectors.

    Yields:
        What `Worker.work` returns, as units are done.

    Raises:
        MissingExtraError: Ray is not installed.
        TrainingError: A unit whose actors keep dying.
    """
    try:
        import ray
        from ray.exceptions import RayActorError
    except ImportError as error:
        raise MissingExtraError(
            "the engine ray needs Ray, which is not installed; run pip install 'adaptive-feature-transfer[ray]'"
        ) from error
    threads = threads or 1
    own = not ray.is_initialized()
    if own:
        ray.init(
            log_to_driver=False, configure_logging=False
        )  # RAY_ADDRESS names a cluster; without, one on this machine
    resources: dict[str, float] = {"num_cpus": threads, "num_gpus": 1 if torch.cuda.is_available() else 0}
    actor_class = ray.remote(**resources)(_Actor)
    room = int(ray.cluster_resources().get("CPU", 1)) // threads
    wanted = min(actors or max(1, room), len(units))
    shared = ray.put(make)
    waiting, tries, failed = deque(units), Counter[Unit](), 0
    # An actor is given work only when it has said that it runs: one that finds no room must not hold a unit back.
    starting: dict[Any, Any] = {}
    working: dict[Any, tuple[Any, Unit]] = {}

    def hire() -> None:
        actor = actor_class.remote(shared, threads)
        starting[actor.ready.remote()] = actor

    def give(actor: Any) -> None:
        if waiting:
            unit = waiting.popleft()
            working[actor.work.remote(unit)] = (actor, unit)

    try:
        for _ in range(wanted):
            hire()
        while waiting or working:
            (done, *_), _ = ray.wait([*working, *starting], num_returns=1)
            if done in starting:
                actor = starting.pop(done)
                try:
                    ray.get(done)
                except RayActorError as error:
                    failed += 1
                    if failed > TRIES * wanted:
                        raise TrainingError(
                            f"an extraction needs actors that start; {failed} died before they had any work; look at the cluster's logs"
                        ) from error
                    hire()
                    continue
                give(actor)
                continue
            actor, unit = working.pop(done)
            try:
                cut: list[int] = ray.get(done)
            except RayActorError as error:
                tries[unit] += 1
                if tries[unit] >= TRIES:
                    raise TrainingError(
                        f"an extraction needs its actors to the end; {TRIES} died at the same shard, for lack of memory perhaps; what was committed "
                        "is safe: run the same command again, with fewer actors or a smaller --batch-size"
                    ) from error
                waiting.appendleft(unit)
                hire()
                continue
            except AftError:
                raise  # Ray gives an error of the actor's under its own class too
            bar(unit.vectors)
            yield cut
            give(actor)
    finally:
        for actor in [*starting.values(), *(actor for actor, _ in working.values())]:
            ray.kill(actor)
        if own:
            ray.shutdown()


class _Actor:
    """A worker in a process of Ray's."""

    def __init__(self, make: Callable[[], Worker], threads: int) -> None:
        torch.set_num_threads(threads)
        self._make = make
        self._worker: Worker | None = None

    def ready(self) -> None:
        """Say that it runs."""

    def work(self, unit: Unit) -> list[int]:
        """Compute a unit."""
        if self._worker is None:
            self._worker = self._make()
        return self._worker.work(unit)
