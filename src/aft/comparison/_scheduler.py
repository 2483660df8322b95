"""Running the trainings of several studies side by side."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from aft.comparison._journal import FinishedTraining, Journal, training_key
from aft.comparison._study import Study
from aft.comparison._training_spec import TrainingSpec
from aft.comparison._worker import Worker, holds_run
from aft.core import Progress, cores, is_picklable, process_pool
from aft.errors import TrainingError
from aft.runs import Trial
from aft.training import Problem

log = logging.getLogger("aft")

Submit = Callable[[TrainingSpec], "Future[FinishedTraining]"]


class Scheduler:
    """Runs studies. Every finished training is journalled at once, and none in the journal is run again.

    Args:
        journal: Where finished trainings are kept.
        processes: Number of trainings side by side; one for each core by default.
        threads: Threads of each training. The last digits of the numbers depend on it; they do not depend on `processes`.
        runs: Directory for the run directories of final trainings, or None.
        limit: Seconds after which no new training is started, or None.
        progress: Show progress on the standard error stream.

    Attributes:
        trained: Number of trainings that were run.
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
        self.processes = processes or cores()
        self.threads = threads
        self.trained = 0
        self._runs = runs
        self._limit = limit
        self._progress = progress

    def run(self, studies: Iterable[Study]) -> list[Study]:
        """Run studies to completion, or to the time limit.

        Args:
            studies: The studies, in the order in which they should finish.

        Returns:
            Those that are complete, with their choices and trainings.
        """
        started = time.monotonic()
        running_studies = [_RunningStudy(study, self._find) for study in studies]
        total = sum(running.study.size() for running in running_studies)
        with Progress(total, "comparing", "trainings", quiet=not self._progress) as bar:
            for running in running_studies:
                bar.skip(running.advance())
            if not all(running.complete for running in running_studies):
                with self._workers([running.study for running in running_studies]) as submit:
                    self._train(running_studies, submit, bar, started)
        return [running.study for running in running_studies if running.complete]

    def _train(self, running_studies: Sequence["_RunningStudy"], submit: Submit, bar: Progress, started: float) -> None:
        """Run what is missing, until nothing is or the time is over."""
        futures: dict[Future[FinishedTraining], tuple[_RunningStudy, TrainingSpec]] = {}
        while True:
            late = self._limit is not None and time.monotonic() - started > self._limit
            busy = {training_key(spec, running.study.digest_for(spec)) for running, spec in futures.values()}
            # Earlier studies go first, so that results become complete one after the other.
            for running in running_studies:
                for spec in list(running.queue):
                    key = training_key(spec, running.study.digest_for(spec))
                    if (shared := self._find(running.study, spec)) is not None:  # trained for another study meanwhile
                        running.queue.remove(spec)
                        bar.skip(running.finish(replace(shared, spec=spec)) + running.advance())
                    elif len(futures) < self.processes and not late and key not in busy:
                        running.queue.remove(spec)
                        with _explained(spec):
                            futures[submit(spec)] = running, spec
                        busy.add(key)
            if not futures:
                break
            done, _ = wait(futures, return_when=FIRST_COMPLETED)
            for future in done:
                running, spec = futures.pop(future)
                with _explained(spec):
                    finished = future.result()
                self.journal.add(finished, running.study.digest_for(spec))
                self.trained += 1
                bar(running.finish(finished))
                bar.skip(running.advance())

    def _find(self, study: Study, spec: TrainingSpec) -> FinishedTraining | None:
        """The finished training of a spec, if its run is still there and has not been overwritten by another one."""
        finished = self.journal.find(spec, study.digest_for(spec))
        if finished is not None and finished.trial is not None and _stopped_too_early(finished.trial, spec):
            return None
        if finished is None or self._runs is None or spec.stage == "trial":
            return finished
        return finished if holds_run(self._runs, spec) else None

    @contextmanager
    def _workers(self, studies: list[Study]) -> Iterator[Submit]:
        sources = {study.name: study.source for study in studies}
        if self.processes == 1 or not is_picklable(sources):
            if self.processes > 1:
                log.info(
                    "the module or its preprocessing cannot be sent to other processes; training in this one alone"
                )
            worker = Worker({study.name: study.problem for study in studies}, self._runs)
            self.processes = 1
            with limited_threads(self.threads):
                yield partial(_run_here, worker)
            return
        for source in sources.values():
            if isinstance(source, Problem):
                source.encode_test()
        with process_pool(partial(Worker, sources, self._runs), self.processes, self.threads) as call:
            yield partial(call, "work")


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """A block in which torch uses so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _RunningStudy:
    """A study whose trainings are being run.

    Attributes:
        study: The study.
        queue: Trainings to start.
        complete: Whether the study has ended.
    """

    def __init__(self, study: Study, find: Callable[[Study, TrainingSpec], FinishedTraining | None]) -> None:
        self.study = study
        self.queue: list[TrainingSpec] = []
        self.complete = False
        self._find = find
        self._plan = study.plan()
        self._requested: list[TrainingSpec] = []
        self._finished: list[FinishedTraining | None] = []
        self._started = False

    def advance(self) -> int:
        """Request more trainings from the study, as long as the journal already has all of them.

        Returns:
            How many of the requested trainings were in the journal.
        """
        known = 0
        while not self.complete and all(training is not None for training in self._finished):
            try:
                if self._started:
                    self._requested = self._plan.send([t for t in self._finished if t is not None])
                else:
                    self._requested, self._started = next(self._plan), True
            except StopIteration:
                self.complete = True
                break
            self._finished = [self._find(self.study, spec) for spec in self._requested]
            known += sum(training is not None for training in self._finished)
            missing = [s for s, training in zip(self._requested, self._finished, strict=True) if training is None]
            # Methods that chose beta 0 share a training: it is run once.
            self.queue = [spec for place, spec in enumerate(missing) if spec not in missing[:place]]
        return known

    def finish(self, finished: FinishedTraining) -> int:
        """Record a training; returns how many of the requested ones it is."""
        places = [place for place, spec in enumerate(self._requested) if spec == finished.spec]
        for place in places:
            self._finished[place] = finished
        return len(places)


def _run_here(worker: Worker, spec: TrainingSpec) -> "Future[FinishedTraining]":
    future: Future[FinishedTraining] = Future()
    future.set_result(worker.work(spec))
    return future


def _stopped_too_early(trial: Trial, spec: TrainingSpec) -> bool:
    """Whether a trial was stopped early by another search, at a loss with which this one goes on."""
    if not trial.stopped or trial.loss is None:
        return False
    pooled = trial.early_pooled_loss if spec.pooled else None
    early = trial.early_loss if pooled is None else pooled
    return early is None or early <= spec.max_early_loss


@contextmanager
def _explained(spec: TrainingSpec) -> Iterator[None]:
    """A block that may find a process dead."""
    try:
        yield
    except BrokenProcessPool as error:
        raise TrainingError(
            f"a training needs its process until it ends; that of {spec.method}, seed {spec.seed}, was killed, perhaps for lack of "
            "memory; run the same command again with fewer processes="
        ) from error
