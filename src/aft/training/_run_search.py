"""Running a search, and foreseeing what it will run."""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aft.core import append_jsonl, broadcast_object, rank, rank_zero_first, read_jsonl
from aft.errors import NonFiniteError
from aft.runs import HParams, Trial
from aft.training._search import WORST, Search, SearchResult, SearchSpace, TrialRequest, search

log = logging.getLogger("aft")


def run_search(
    search: Search,
    run: Callable[[TrialRequest], Trial],
    journal: Path,
    on_trial: Callable[[Trial], object] = lambda _: None,
) -> SearchResult:
    """Run a search one trial after the other.

    Args:
        search: The search.
        run: Runs a trial.
        journal: File of finished trials: an interrupted search does not repeat them.
        on_trial: Called with each finished trial, new or from the journal.

    Returns:
        What the search found.
    """
    known = rank_zero_first(lambda: _read_journal(journal))
    started = False

    def answer(request: TrialRequest) -> Trial:
        nonlocal started
        if not started:
            log.info("searching hyperparameters by the loss on validation samples:")
            started = True
        trial = known.get((request.method, request.hparams))
        if trial is None:
            trial = broadcast_object(run(request))
            log.info("  %s", trial)
            if rank() == 0:
                append_jsonl(journal, asdict(trial))
        on_trial(trial)
        return trial

    return _drive(search, answer)


def expected_trials(methods: Sequence[str], space: SearchSpace, known: Sequence[Trial] = ()) -> list[TrialRequest]:
    """The trials that a search will probably still run: as if each method's first one were its best, and better than fine-tuning.

    Args:
        methods: As for `search`.
        space: As for `search`.
        known: Finished trials.

    Returns:
        The trials without the known ones; hopeless ones will take fewer steps.
    """
    finished = {(trial.method, trial.hparams): trial for trial in known}
    missing: list[TrialRequest] = []
    tried: set[str] = set()

    def answer(request: TrialRequest) -> Trial:
        trial = finished.get((request.method, request.hparams))
        if trial is None:
            first = request.method != "finetune" and request.method not in tried
            loss = -WORST if first else WORST
            missing.append(request)
            trial = Trial(request.method, request.hparams, loss, 1.0, loss, 0.0)
        tried.add(request.method)
        return trial

    with suppress(NonFiniteError):
        _drive(search(methods, space), answer)
    return missing


def _drive(search: Search, answer: Callable[[TrialRequest], Trial]) -> SearchResult:
    """Run a search to its end, one request after the other."""
    trials: list[Trial] | None = None
    while True:
        try:
            requests = next(search) if trials is None else search.send(trials)
        except StopIteration as end:
            result: SearchResult = end.value
            return result
        trials = [answer(request) for request in requests]


def _read_journal(path: Path) -> dict[tuple[str, HParams], Trial]:
    known = {}
    adapter: TypeAdapter[Any] = TypeAdapter(Trial)
    for row in read_jsonl(path):
        try:
            trial = adapter.validate_json(json.dumps(row))
        except ValidationError:
            continue  # written by another version
        known[trial.method, trial.hparams] = trial
    return known
