"""Keeping the processors busy with the trainings of several studies."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from aft.comparison._training_spec import Job
from aft.comparison._journal import Journal, Row
from aft.comparison._study import Plan, Study
from aft.comparison._worker import Worker
from aft.errors import TrainingError
from aft.core import is_picklable, process_pool
from aft.core import Progress

log = logging.getLogger("aft")

Submit = Callable[[Job], "Future[Row]"]


class Scheduler:
    """Runs studies; each finished training is kept at once, and one that is kept is not run.

    Args:
        journal: Where rows are kept.
        processes: How many train side by side; by default one a core.
        threads: Threads of each. The numbers depend on it in their last digits, and not on the processes.
        runs: Folder for the run folders of the compared trainings, or None.
        limit: Seconds after which no new training is begun, or None.
        progress: Show progress on the standard error stream.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        processes: int | None = None,
        threads: int = 1,
        runs: Path | None = None,
        limit: float | None = None,
        progress: bool = True,
    ) -> None:
        self.journal = journal
        self.processes = processes or os.cpu_count() or 1
        self.threads = threads
        self._runs = runs
        self._limit = limit
        self._progress = progress
        self.trained = 0

    def run(self, studies: Iterable[Study]) -> list[Study]:
        """Run studies to their end, or to the time limit.

        Args:
            studies: In the order in which to begin them.

        Returns:
            Those that have ended, with their choices and rows.
        """
        listed = list(studies)
        digests = {study.cell.name: study.cell.digest() for study in listed}
        plans = {number: study.plan() for number, study in enumerate(listed)}
        waiting: dict[int, list[Row | None]] = {}
        queue: list[tuple[int, int, Job]] = []
        running: dict[Future[Row], tuple[int, int, Job]] = {}
        ended: list[int] = []
        begun = time.monotonic()

        def advance(number: int, rows: list[Row] | None) -> None:
            """Ask a study for its next jobs; those with a row already are answered at once."""
            plan: Plan = plans[number]
            while True:
                try:
                    jobs = next(plan) if rows is None else plan.send(rows)
                except StopIteration:
                    ended.append(number)
                    return
                found = [self.journal.find(job, digests[job.cell]) for job in jobs]
                bar.skip(sum(row is not None for row in found))
                if all(row is not None for row in found):
                    rows = [row for row in found if row is not None]
                    continue
                waiting[number] = found
                # A job that two methods share, strength 0 say, is trained once.
                seen: dict[str, int] = {}
                for place, (job, row) in enumerate(zip(jobs, found, strict=True)):
                    if row is None and str(job) not in seen:
                        seen[str(job)] = place
                        queue.append((number, place, job))
                twins[number] = [seen.get(str(job), place) for place, job in enumerate(jobs)]
                # The earlier study first: so that results come whole, one after the other.
                queue.sort(key=lambda item: item[0])
                return

        twins: dict[int, list[int]] = {}
        total = sum(study.size() for study in listed)
        with Progress(total, "comparing", "trainings", quiet=not self._progress) as bar, self._pool(listed) as submit:
            for number in plans:
                advance(number, None)
            while queue or running:
                late = self._limit is not None and time.monotonic() - begun > self._limit
                while queue and len(running) < self.processes and not late:
                    item = queue.pop(0)
                    running[submit(item[2])] = item
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    number, place, job = running.pop(future)
                    row = self.journal.add(job, digests[job.cell], _result(future, job))
                    self.trained += 1
                    shared = [at for at, twin in enumerate(twins[number]) if twin == place]
                    bar(len(shared))
                    for at in shared:
                        waiting[number][at] = row
                    rows = [known for known in waiting[number] if known is not None]
                    if len(rows) == len(waiting[number]):
                        advance(number, rows)
        return [listed[number] for number in sorted(ended)]

    @contextmanager
    def _pool(self, studies: list[Study]) -> Iterator[Submit]:
        cells = {study.cell.name: study.cell for study in studies}
        if self.processes == 1 or not is_picklable(cells):
            if self.processes > 1:
                log.info("a module or preprocessing that other processes cannot be sent: training in this one alone")
            worker, before = Worker(cells, self._runs), torch.get_num_threads()
            self.processes = 1
            torch.set_num_threads(self.threads)
            try:
                yield partial(_here, worker)
            finally:
                torch.set_num_threads(before)
            return
        with process_pool(partial(Worker, cells, self._runs), self.processes, self.threads) as call:
            yield partial(call, "work")


def _here(worker: Worker, job: Job) -> "Future[Row]":
    future: Future[Row] = Future()
    future.set_result(worker.work(job))
    return future


def _result(future: "Future[Row]", job: Job) -> Row:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise TrainingError(
            f"each training needs its process to the end; that of {job.method}, seed {job.seed}, was killed, for lack of memory perhaps; "
            "run the same command again with fewer --processes"
        ) from error
