"""The hyperparameter search. There is one, for ``aft train`` and ``aft compare`` alike.

Fine-tuning goes first and chooses its learning rate; where it is not asked for, only if beta 0 turns out best or its usual rate
diverges. Every other method then chooses learning rate and beta of its own. Each is a climb: from the usual value upwards for
as long as the validation loss falls, else downwards. Fine-tuning's trials, which are beta 0, compete in every method's choice.
Steps and weight decay are not searched: with the best learning rate for each, trainings of a quarter to all of a student's
usual steps end alike (docs/log.md).

A thrifty search, that of ``aft train``, costs at most about three trainings: it goes on with a trial only if that is ahead after a
third of its steps, and judges betas there. A comparison compares methods at their best, and is not thrifty.

All choices are by the loss on validation samples. Where a probe on the teachers' features predicts labels better than fine-tuning
does, unlabelled samples are held out too, and their predicted labels count. `benchmarks/search.py` measures what this rule loses.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from aft.errors import NonFiniteError
from aft.objectives import WeightingKind
from aft.runs import HParams, Trial

#: The most trials that a method may use for its choice.
TRIALS = 6
#: Seed of all trials: none of the seeds that a comparison compares.
SEARCH_SEED = 1000
#: Neighbouring learning rates differ by this factor; how many factors they may fall and rise.
RATE_FACTOR, RATE_RANGE = 3.0, (-2, 3)
#: Betas for each weighting. benchmarks/weighting.py found the range.
BETAS: Mapping[WeightingKind, tuple[float, ...]] = {
    "balanced": (0.3, 1.0, 3.0, 10.0, 30.0),
    "fixed": (3.0, 10.0, 30.0, 100.0, 300.0),
}
#: Place of the beta that is tried first.
FIRST_BETA = 2
#: The weighting of a search that may choose it: trying both took twice the trials and gained nothing (docs/log.md).
WEIGHTING: WeightingKind = "balanced"
#: A trial with a higher learning rate than the best one may be behind it by this factor after a third of its steps.
TOLERANCE = 1.03
#: A thrifty search goes on with a trial only if it is better than the best one by this factor after a third of its steps.
AHEAD = 0.99
#: A loss that is worse than any.
WORST = 1e30


@dataclass(frozen=True)
class SearchSpace:
    """Where the search starts and what it may change.

    Attributes:
        lr: The student's usual learning rate.
        weight_decay: Its usual weight decay.
        steps: The number of steps of fine-tuning.
        objective_steps: The same of trainings with an objective, which learn from samples without a label, too.
        fixed_lr: Whether the learning rate is given.
        beta: The beta of all methods; None to choose it.
        weighting: The weighting of all methods; None for the usual one: balanced, or fixed where `beta` is given.
        probe_loss: Validation loss of the teachers' probe, which labels unlabelled validation samples; None without them. If it is
            lower than that of fine-tuning, these samples count as well.
        thrifty: Whether to judge by a third of a training what can be judged by it.
    """

    lr: float
    weight_decay: float
    steps: int
    objective_steps: int
    fixed_lr: bool = False
    beta: float | None = None
    weighting: WeightingKind | None = None
    probe_loss: float | None = None
    thrifty: bool = False


@dataclass(frozen=True)
class TrialRequest:
    """A trial that the search asks for.

    Attributes:
        method: Name of the method; ``finetune`` where beta is 0.
        hparams: The hyperparameters.
        max_early_loss: The trial is stopped if its validation loss exceeds this after a third of its steps.
        pooled: Whether that is the loss on labelled and unlabelled validation samples.
    """

    method: str
    hparams: HParams
    max_early_loss: float = float("inf")
    pooled: bool = False

    @property
    def steps(self) -> int:
        """The steps that it takes if it is not hopeless: a third of all where it is judged by these."""
        return early_step(self.hparams) if self.max_early_loss == -float("inf") else self.hparams.steps


def early_step(hparams: HParams) -> int:
    """The step after which a trial is judged for the first time."""
    return max(1, hparams.steps // 3)


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


#: Requests trials that can run side by side, and is sent them finished, in the same order.
Requests = Generator[list[TrialRequest], list[Trial], None]
#: The same for a whole search.
Search = Generator[list[TrialRequest], list[Trial], SearchResult]


def search(methods: Sequence[str], space: SearchSpace) -> Search:
    """Choose hyperparameters for several methods.

    Args:
        methods: Names of methods. Fine-tuning is tried even if it is not among them, but its learning rate is chosen only if it is,
            or if no method does better.
        space: What may be chosen.

    Yields:
        Trials to run. No trial is requested twice, and none where there is nothing to choose.

    Returns:
        The choices.

    Raises:
        NonFiniteError: Every trial of fine-tuning diverged.
    """
    others = [method for method in dict.fromkeys(methods) if method != "finetune"]
    plain, asked = _Climb("finetune", space), "finetune" in methods or not others
    yield from _search_plain(plain, needed=bool(others) and space.beta is None, asked=asked)
    plain.choice()  # before the others: they need not be tried if it cannot be trained
    climbs = [_Climb(method, space, plain) for method in others]
    yield from _side_by_side([_search_method(climb) for climb in climbs])
    if not asked and len(plain.trials) == 1 and not all(climb.choice().beta for climb in climbs):
        yield from _climb_rates(plain)
    return SearchResult(
        {climb.method: climb.choice() for climb in (plain, *climbs)},
        {climb.method: climb.trials for climb in (plain, *climbs) if climb.trials or climb is plain},
    )


class _Climb:
    """The trials of a method, and the best of them.

    Args:
        method: Name of the method.
        space: What may be chosen.
        plain: The finished climb of fine-tuning, if this is another method.

    Attributes:
        best: The best of the method's own hyperparameters so far; where to start, before any is tried.
        trials: The method's trials in their order.
    """

    def __init__(self, method: str, space: SearchSpace, plain: "_Climb | None" = None) -> None:
        self.method, self.space = method, space
        self.trials: list[Trial] = []
        self._plain = plain
        self._pooled = None if plain is None else plain.pooled
        self.best = HParams(space.lr, space.steps, space.weight_decay)
        if plain is not None:
            weighting = space.weighting or (WEIGHTING if space.beta is None else "fixed")
            beta = BETAS[weighting][FIRST_BETA] if space.beta is None else space.beta
            self.best = replace(self.best, steps=space.objective_steps, weighting=weighting, beta=beta)

    def attempt(self, hparams: HParams, *, brief: bool = False) -> Generator[list[TrialRequest], list[Trial], bool]:
        """Run a trial, unless there have been enough. It is stopped if it falls behind the best one.

        Args:
            hparams: The hyperparameters.
            brief: Whether a third of its steps is enough to judge it by, if the best one has been trained to its end.

        Returns:
            Whether it is better than all before.
        """
        if len(self.trials) >= TRIALS:
            return False
        best = self._best_trial()
        brief = brief and self._best_whole() is not None
        limit = -float("inf") if brief else self._limit(best, hparams)
        (trial,) = yield [TrialRequest(self.method, hparams, limit, self.pooled)]
        self.trials.append(trial)
        ranking = self._early_ranking if brief else self._ranking
        if best is None or ranking(trial) < ranking(best):
            self.best = hparams
            return True
        return False

    def _limit(self, best: Trial | None, hparams: HParams) -> float:
        """The loss beyond which a trial is stopped after a third of its steps."""
        early = self._early_ranking(best)
        if self.space.thrifty and self._plain is not None:
            return early * AHEAD
        # A higher rate looks worse half way than it is in the end, when it has been annealed.
        return early * (TOLERANCE if hparams.lr > self.best.lr else 1)

    def climb(
        self, at: Callable[[int], HParams], start: int, limits: tuple[int, int], *, brief: bool = False
    ) -> Requests:
        """Try the values of one hyperparameter: upwards from a place for as long as that is better, else downwards.

        Args:
            at: The hyperparameters at a place.
            start: The place of the best ones so far.
            limits: The lowest and the highest place.
            brief: As for `attempt`.
        """
        for direction in (1, -1):
            place = start + direction
            while limits[0] <= place <= limits[1] and (yield from self.attempt(at(place), brief=brief)):
                place += direction
            if place != start + direction:
                return

    def choice(self) -> HParams:
        """The best hyperparameters: beta 0 if no beta is better.

        Raises:
            NonFiniteError: Every trial of fine-tuning diverged.
        """
        plain = self._plain.trials if self._plain and self.space.beta is None else []
        rivals = [*plain, *self.trials]
        expected = {trial.hparams: self._ranking(trial) for trial in rivals if trial.score < float("inf")}
        if self.best not in expected and (whole := self._best_whole()) is not None:
            # It was judged by a third of its steps: what it gained by then is what it is expected to gain.
            gain = self._early_ranking(whole) - self._early_ranking(self._best_trial())
            expected[self.best] = self._ranking(whole) - gain
        if expected:
            return min(expected, key=expected.__getitem__)
        if not rivals:
            return self.best
        raise NonFiniteError(
            f"fine-tuning must converge before anything can be chosen; all {len(rivals)} trials of it diverged; lower lr="
        )

    @property
    def pooled(self) -> bool:
        """Whether the probe's labels count: if it knows the task better than fine-tuning does, as tried before the method."""
        if self._pooled is not None:
            return self._pooled
        loss = min((trial.score for trial in self.trials), default=WORST)
        return self.space.probe_loss is not None and self.space.probe_loss < loss

    def _best_trial(self) -> Trial | None:
        """The trial of the best hyperparameters; None before it is run."""
        return next((trial for trial in self.trials if trial.hparams == self.best), None)

    def _best_whole(self) -> Trial | None:
        """The best of the trials that were trained to their end."""
        whole = [trial for trial in self.trials if trial.score < float("inf")]
        return min(whole, key=self._ranking, default=None)

    def _ranking(self, trial: Trial) -> float:
        return trial.pooled_score if self.pooled else trial.score

    def _early_ranking(self, trial: Trial | None) -> float:
        if trial is None or trial.early_loss is None:
            return float("inf")
        return trial.early_loss if trial.early_pooled_loss is None or not self.pooled else trial.early_pooled_loss


def _search_plain(climb: _Climb, *, needed: bool, asked: bool) -> Requests:
    """Try fine-tuning, and choose its learning rate if that is asked for or the usual one diverges.

    Args:
        climb: Where its trials are kept.
        needed: Whether a trial is needed even if nothing can be chosen, for other methods to compete with.
        asked: Whether its own choice is wanted.
    """
    if needed or not climb.space.fixed_lr:
        yield from climb.attempt(climb.best)
        if asked or climb.trials[0].score == float("inf"):
            yield from _climb_rates(climb)


def _search_method(climb: _Climb) -> Requests:
    """Choose learning rate and beta of a method with an objective."""
    if climb.space.beta is None or not climb.space.fixed_lr:
        yield from climb.attempt(climb.best)
        yield from _climb_rates(climb)
        yield from _climb_betas(climb)


def _climb_rates(climb: _Climb) -> Requests:
    if not climb.space.fixed_lr:
        best, usual = climb.best, climb.space.lr
        yield from climb.climb(lambda place: replace(best, lr=usual * RATE_FACTOR**place), 0, RATE_RANGE)


def _climb_betas(climb: _Climb) -> Requests:
    best = climb.best
    if climb.space.beta is None and best.weighting is not None:
        betas = BETAS[best.weighting]
        yield from climb.climb(
            lambda place: replace(best, beta=betas[place]), FIRST_BETA, (0, len(betas) - 1), brief=climb.space.thrifty
        )


def _side_by_side(several: Sequence[Requests]) -> Requests:
    """Run several searches at once: what they request next is requested together."""
    pending: dict[Requests, list[TrialRequest]] = {}
    for one in several:
        with suppress(StopIteration):
            pending[one] = next(one)
    while pending:
        answers = iter((yield [request for requests in pending.values() for request in requests]))
        waiting, pending = pending, {}
        for one, requests in waiting.items():
            with suppress(StopIteration):
                pending[one] = one.send([next(answers) for _ in requests])
