"""The hyperparameter search. There is one, for ``aft train`` and ``aft compare`` alike.

Fine-tuning goes first: it chooses learning rate, steps and weight decay with at most six trials. Every other method then chooses
the weighting and the beta of its objective, with fine-tuning's choice for the rest and at most six trials of its own. All choices
are by the loss on the validation split. Where a probe on the teachers' features predicts labels better than fine-tuning does,
unlabelled samples are held out too, and their predicted labels count. Fine-tuning's trials, which are beta 0, compete in every
method's choice.
"""

import json
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aft.core import append_jsonl, broadcast_object, rank, rank_zero_first, read_jsonl
from aft.errors import NonFiniteError
from aft.objectives import WeightingKind
from aft.runs import HParams, Trial

log = logging.getLogger("aft")

#: The most trials that a method may use for its choice.
TRIALS = 6
#: Seed of all trials: none of the seeds that a comparison compares.
SEARCH_SEED = 1000
#: Learning rates, as multiples of the first one.
LEARNING_RATES = (1.0, 1 / 3, 3.0)
#: Step counts, as fractions of the budget: learning rates are compared at the first, the other two use the best rate.
STEP_FRACTIONS = (0.5, 0.25, 1.0)
#: Weight decay that is tried last.
WEIGHT_DECAY = 0.1
#: Betas for each weighting: the middle two are tried first, then the neighbour of the better one. benchmarks/weighting.py found the range.
BETAS: dict[WeightingKind, tuple[float, float, float, float]] = {
    "balanced": (0.3, 1.0, 3.0, 10.0),
    "fixed": (3.0, 10.0, 30.0, 100.0),
}
#: A loss that is worse than any.
WORST = 1e30
#: A trial is stopped if, after a third of its steps, its validation loss exceeds fine-tuning's by this factor, and by this much.
EARLY_STOP_RATIO, EARLY_STOP_MARGIN = 1.25, 0.1


@dataclass(frozen=True)
class SearchSpace:
    """Where the search starts and what it may change.

    Attributes:
        budget: The most steps that a training may take.
        lr: The first learning rate.
        weight_decay: The first weight decay.
        fixed: Names of hyperparameters that are given: ``lr``, ``steps``, ``weight_decay``.
        beta: The beta of all methods; None to choose it.
        weighting: The weighting of all methods; None to choose it.
        probe_loss: Validation loss of the teachers' probe, which labels unlabelled validation samples; None without them. If it is
            lower than that of fine-tuning, these samples count as well.
    """

    budget: int
    lr: float
    weight_decay: float
    fixed: frozenset[str] = frozenset()
    beta: float | None = None
    weighting: WeightingKind | None = None
    probe_loss: float | None = None


@dataclass(frozen=True)
class TrialRequest:
    """A trial that the search asks for.

    Attributes:
        method: Name of the method; ``finetune`` where beta is 0.
        hparams: The hyperparameters.
        max_early_loss: The trial is stopped if its validation loss exceeds this after a third of its steps.
    """

    method: str
    hparams: HParams
    max_early_loss: float = float("inf")


@dataclass
class SearchResult:
    """What the search found.

    Attributes:
        chosen: Hyperparameters by method.
        trials: Each method's own trials; fine-tuning's also compete in every choice.
    """

    chosen: dict[str, HParams] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=dict)

    def summary(self, method: str) -> str:
        """What was chosen for a method, in a sentence."""
        trials = list(dict.fromkeys([*self.trials["finetune"], *self.trials.get(method, [])]))
        chosen, stopped = self.chosen[method], sum(trial.stopped for trial in trials)
        note = ", since no beta did better on validation data" if method != "finetune" and not chosen.beta else ""
        seconds = sum(trial.seconds for trial in trials)
        return f"chose {chosen}{note}, from {len(trials)} trials ({stopped} stopped early) in {seconds:.0f} s"


#: Yields trials that can run side by side, and is sent their results in the same order.
Search = Generator[list[TrialRequest], list[Trial], SearchResult]


def search(methods: Sequence[str], space: SearchSpace) -> Search:
    """Choose hyperparameters for several methods; fine-tuning is always among them.

    Args:
        methods: Names of methods.
        space: What may be chosen.

    Yields:
        Trials to run. No trial is requested twice, and none where there is nothing to choose.

    Returns:
        The choices.

    Raises:
        NonFiniteError: Every trial of fine-tuning diverged.
    """
    result = SearchResult()
    others = [method for method in dict.fromkeys(methods) if method != "finetune"]
    plain = yield from _search_finetune(result, space, needed=bool(others) and space.beta is None)
    result.chosen["finetune"] = plain
    if space.beta is not None:
        chosen = replace(plain, weighting=space.weighting, beta=space.beta)
        result.chosen |= dict.fromkeys(others, chosen)
        return result
    weightings = list(BETAS) if space.weighting is None else [space.weighting]
    early = [t.early_loss for t in result.trials["finetune"] if t.hparams == plain and t.early_loss is not None]
    best = min(early, default=float("inf"))
    limit = max(EARLY_STOP_RATIO * best, best + EARLY_STOP_MARGIN)

    def requests(method: str, pairs: list[tuple[WeightingKind, float]]) -> list[TrialRequest]:
        return [TrialRequest(method, replace(plain, weighting=w, beta=beta), limit) for w, beta in pairs]

    middle: list[tuple[WeightingKind, float]] = [(w, BETAS[w][place]) for w in weightings for place in (1, 2)]
    yield from _request(result, [request for method in others for request in requests(method, middle)])
    further = []
    for method in others:
        score = _ranking(result.trials["finetune"], space)
        losses = {(t.hparams.weighting, t.hparams.beta): score(t) for t in result.trials[method]}
        ends: list[tuple[WeightingKind, float]] = []
        for w in weightings:
            low, below, above, high = BETAS[w]
            ends.append((w, high if losses[w, above] < losses[w, below] else low))
        further += requests(method, ends)
    yield from _request(result, further)
    for method in others:
        result.chosen[method] = _best(result, space, method)
    return result


def _search_finetune(
    result: SearchResult, space: SearchSpace, *, needed: bool
) -> Generator[list[TrialRequest], list[Trial], HParams]:
    """Choose learning rate, steps and weight decay.

    Args:
        result: Where the trials are kept.
        space: What may be chosen.
        needed: Whether a trial is needed even if nothing can be chosen, for other methods to compete with.
    """
    free = [name for name in ("lr", "steps", "weight_decay") if name not in space.fixed]
    lengths = [max(1, round(space.budget * share)) for share in STEP_FRACTIONS] if "steps" in free else [space.budget]
    start = HParams(space.lr, lengths[0], space.weight_decay)
    result.trials["finetune"] = []
    if not free and not needed:
        return start
    rates = LEARNING_RATES if "lr" in free else (1.0,)
    yield from _request(result, [TrialRequest("finetune", replace(start, lr=space.lr * factor)) for factor in rates])
    if len(lengths) > 1:
        best = _best(result, space)
        yield from _request(result, [TrialRequest("finetune", replace(best, steps=steps)) for steps in lengths[1:]])
    if "weight_decay" in free:
        best = _best(result, space)
        yield from _request(result, [TrialRequest("finetune", replace(best, weight_decay=WEIGHT_DECAY))])
    return _best(result, space)


def _request(result: SearchResult, requests: list[TrialRequest]) -> Generator[list[TrialRequest], list[Trial], None]:
    """Request trials, except for those that have been run already."""
    known = {(method, trial.hparams) for method, trials in result.trials.items() for trial in trials}
    new = [request for request in requests if (request.method, request.hparams) not in known]
    if new:
        trials = yield new
        for request, trial in zip(new, trials, strict=True):
            result.trials.setdefault(request.method, []).append(trial)


def _ranking(plain: Sequence[Trial], space: SearchSpace) -> Callable[[Trial], float]:
    """What trials are ranked by. The probe's labels count if it knows the task better than fine-tuning does."""
    loss = min((trial.score for trial in plain), default=WORST)
    trusted = space.probe_loss is not None and space.probe_loss < loss
    return attrgetter("pooled_score" if trusted else "score")


def _best(result: SearchResult, space: SearchSpace, method: str = "finetune") -> HParams:
    plain = result.trials["finetune"]
    trials = plain if method == "finetune" else [*plain, *result.trials[method]]
    finished = [trial for trial in trials if trial.score < float("inf")]
    if not finished:
        raise NonFiniteError(
            f"fine-tuning must converge before anything can be chosen; all {len(trials)} trials of it diverged; lower lr="
        )
    return min(finished, key=_ranking(plain, space)).hparams


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
    trials: list[Trial] | None = None
    while True:
        try:
            requests = next(search) if trials is None else search.send(trials)
        except StopIteration as end:
            result: SearchResult = end.value
            return result
        if trials is None:
            log.info("searching hyperparameters by the loss on validation samples:")
        trials = []
        for request in requests:
            trial = known.get((request.method, request.hparams))
            if trial is None:
                trial = broadcast_object(run(request))
                log.info("  %s", trial)
                if rank() == 0:
                    append_jsonl(journal, asdict(trial))
            trials.append(trial)
            on_trial(trial)


def expected_trials(methods: Sequence[str], space: SearchSpace, known: Sequence[Trial] = ()) -> list[TrialRequest]:
    """The trials that a search will probably still run: as if all that are unknown were worse than all that are known.

    Args:
        methods: As for `search`.
        space: As for `search`.
        known: Finished trials.

    Returns:
        The trials without the known ones; hopeless ones will take fewer steps.
    """
    finished = {(trial.method, trial.hparams): trial for trial in known}
    searching = search(methods, space)
    missing: list[TrialRequest] = []
    answers: list[Trial] | None = None
    while True:
        try:
            requests = next(searching) if answers is None else searching.send(answers)
        except (StopIteration, NonFiniteError):
            return missing
        answers = []
        for request in requests:
            trial = finished.get((request.method, request.hparams))
            if trial is None:
                missing.append(request)
                trial = Trial(request.method, request.hparams, WORST, 1.0, WORST, 0.0)
            answers.append(trial)


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
