"""The hyperparameter search, answered with made-up losses and with real trials."""

import math
from dataclasses import replace

import pytest

import aft
from aft.errors import NonFiniteError
from aft.training import SearchSpace, Trial, TrialRequest, expected_trials, run_search, run_trial, search
from aft.training._search import AHEAD, SEARCH_SEED, TOLERANCE, TRIALS, _Climb

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200,dropout=0.0"
SPACE = SearchSpace(lr=1e-3, weight_decay=0.01, steps=100, objective_steps=400)


def answered(methods, space, loss, journal, requests=None):
    """Run a search whose trials score `loss(request)` all along, and are stopped where that exceeds the request's limit."""

    def run(request):
        if requests is not None:
            requests.append(request)
        value = loss(request)
        return Trial(
            request.method, request.hparams, value, value, value, 1.0, value is None or value > request.max_early_loss
        )

    return run_search(search(methods, space), run, journal)


def bowl(lr, beta, *, plain=1.0):
    """A loss with its minimum, 0.5, at the given learning rate and beta; fine-tuning does not get below `plain`."""

    def loss(request):
        h = request.hparams
        far = abs(math.log(h.lr / lr)) + (abs(math.log(h.beta / beta)) if h.beta else 0)
        return (0.5 if h.beta else plain) + 0.01 * far

    return loss


def test_it_keeps_beta_zero_stops_hopeless_trials_and_resumes(tmp_path):
    requests = []
    found = answered(["aft"], SPACE, bowl(3e-3, 10.0), tmp_path / "trials.jsonl", requests)
    chosen = found.chosen["aft"]
    assert (chosen.beta, chosen.steps, chosen.lr) == (10.0, 400, pytest.approx(3e-3))
    assert any(trial.stopped for trial in found.trials["aft"])
    # A cut-off line costs nothing else, and no finished trial is repeated.
    count = len(requests)
    journal = tmp_path / "trials.jsonl"
    journal.write_text(journal.read_text() + '{"method": "aft", "hpa')
    again = answered(["aft"], SPACE, bowl(3e-3, 10.0), journal, requests)
    assert again == found
    assert len(requests) == count
    worse = answered(["aft"], SPACE, lambda r: 1.0 + r.hparams.beta, tmp_path / "worse.jsonl")
    assert worse.chosen["aft"].beta == 0.0
    assert "since no beta did better on validation data" in worse.summary("aft")


@pytest.mark.parametrize("beta", [0.3, 1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize("lr", [1e-3 / 9, 1e-3 / 3, 1e-3, 3e-3, 9e-3, 27e-3])
def test_the_climb_finds_the_lowest_place_of_a_bowl_in_few_trials(lr, beta, tmp_path):
    found = answered(["finetune", "aft"], SPACE, bowl(lr, beta), tmp_path / "t")
    chosen = found.chosen["aft"]
    assert chosen.lr == pytest.approx(lr)
    assert chosen.beta == beta or len(found.trials["aft"]) == TRIALS  # betas come last
    assert found.chosen["finetune"].lr == pytest.approx(lr)
    assert all(len(trials) <= TRIALS for trials in found.trials.values())


@pytest.mark.parametrize("beta", [0.3, 1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize("lr", [1e-3 / 9, 1e-3 / 3, 1e-3, 3e-3, 9e-3, 27e-3])
def test_a_thrifty_search_finds_the_same_place_with_fewer_steps(lr, beta, tmp_path):
    cost, chosen = {}, {}
    for thrifty in (False, True):
        requests = []
        found = answered(["aft"], replace(SPACE, thrifty=thrifty), bowl(lr, beta), tmp_path / f"{thrifty}", requests)
        trials = {(t.method, t.hparams): t for trials in found.trials.values() for t in trials}
        thirds = [trials[r.method, r.hparams].stopped for r in requests]
        cost[thrifty] = sum(
            r.hparams.steps / (3 if stopped else 1) for r, stopped in zip(requests, thirds, strict=True)
        )
        chosen[thrifty] = found.chosen["aft"]
    assert chosen[True] == chosen[False]
    assert cost[True] <= cost[False]


def test_a_thrifty_search_judges_betas_by_a_third_of_their_steps(tmp_path):
    requests, space = [], replace(SPACE, thrifty=True)
    found = answered(["aft"], space, bowl(1e-3, 10.0, plain=0.515), tmp_path / "t", requests)
    own = [request for request in requests if request.method == "aft"]
    assert [(r.hparams.lr, r.hparams.beta) for r in own[3:]] == [(1e-3, 10.0), (1e-3, 30.0)]
    assert [r.steps for r in own[3:]] == [133, 133]
    # Other rates have to be ahead to go on.
    assert {r.max_early_loss for r in own[1:3]} == {AHEAD * bowl(1e-3, 10.0)(own[0])}
    # It is expected to gain by its end what it had gained by then, which puts it before fine-tuning.
    assert found.chosen["aft"].beta == 10.0
    assert all(trial.stopped for trial in found.trials["aft"][1:])
    better = answered(["aft"], space, bowl(1e-3, 10.0, plain=0.499), tmp_path / "better")
    assert better.chosen["aft"].beta == 0.0


def test_fine_tuning_that_nobody_asked_for_has_one_trial_unless_it_is_best(tmp_path):
    found = answered(["aft"], SPACE, bowl(9e-3, 3.0), tmp_path / "t")
    assert [trial.hparams.lr for trial in found.trials["finetune"]] == [1e-3]
    best = answered(["aft"], SPACE, bowl(9e-3, 3.0, plain=0.1), tmp_path / "best")
    assert (best.chosen["aft"].beta, best.chosen["aft"].lr) == (0.0, pytest.approx(9e-3))
    assert len(best.trials["finetune"]) == 4
    # Its usual rate diverges, so that its rate is chosen first; beta 0 wins, and nothing is tried twice.
    requests = []
    diverging = answered(
        ["aft"],
        SPACE,
        lambda r: None if r.hparams.lr > 5e-4 else 1.0 + r.hparams.beta,
        tmp_path / "diverging",
        requests,
    )
    assert (diverging.chosen["aft"].beta, diverging.chosen["aft"].lr) == (0.0, pytest.approx(1e-3 / 3))
    assert len({(request.method, request.hparams) for request in requests}) == len(requests)


def test_what_judges_a_method_does_not_change_when_fine_tuning_improves_later(tmp_path):
    requests, plain = [], bowl(9e-3, 3.0, plain=0.94)  # 0.96 at the usual rate; the probe's loss lies between
    found = answered(
        ["aft"],
        replace(SPACE, probe_loss=0.95),
        lambda r: 2.0 if r.hparams.beta else plain(r),
        tmp_path / "t",
        requests,
    )
    assert {request.pooled for request in requests if request.method == "aft"} == {True}
    assert (found.chosen["aft"].beta, found.chosen["aft"].lr) == (0.0, pytest.approx(9e-3))


def test_the_foreseen_trials_are_those_of_a_search_whose_method_wins(tmp_path):
    foreseen, requests = expected_trials(["aft"], SPACE), []
    answered(["aft"], SPACE, bowl(1e-3, 3.0), tmp_path / "t", requests)
    assert [(r.method, r.hparams) for r in foreseen] == [(r.method, r.hparams) for r in requests]
    assert foreseen[-1].hparams.steps == SPACE.objective_steps


def test_methods_search_side_by_side_and_share_fine_tunings_trials(tmp_path):
    rounds, requests = [], []
    searching = search(["aft", "kd", "finetune", "aft"], SPACE)
    trials = None
    while True:
        try:
            asked = next(searching) if trials is None else searching.send(trials)
        except StopIteration as end:
            found = end.value
            break
        rounds.append([request.method for request in asked])
        requests += asked
        losses = [bowl(9e-3, 10.0)(request) for request in asked]
        trials = [Trial(r.method, r.hparams, loss, loss, loss, 1.0) for r, loss in zip(asked, losses, strict=True)]
    assert len({(r.method, r.hparams) for r in requests}) == len(requests)
    assert set(found.trials) == {"finetune", "aft", "kd"}
    assert ["aft", "kd"] in rounds
    assert max(map(len, rounds)) == 2
    assert len(found.trials["aft"]) == len(found.trials["kd"]) <= TRIALS


def test_a_trial_is_stopped_if_it_falls_behind_the_best_one_and_never_the_first(tmp_path):
    requests = []
    answered(["aft"], SPACE, bowl(3e-3, 3.0), tmp_path / "t", requests)
    first, second, third, fourth, *_ = [request for request in requests if request.method == "aft"]
    loss = bowl(3e-3, 3.0)
    # Learning rates of 1, 3 and 9: half way, the higher ones may be a little behind. Then betas.
    assert (first.max_early_loss, second.max_early_loss) == (math.inf, TOLERANCE * loss(first))
    assert loss(second) < loss(first)
    assert third.max_early_loss == TOLERANCE * loss(second)
    assert (fourth.hparams.beta, fourth.max_early_loss) == (10.0, loss(second))


def test_trials_that_diverge_do_not_end_the_climb(tmp_path):
    found = answered(
        ["aft"], SPACE, lambda r: None if r.hparams.lr > 5e-4 else 1.0 - r.hparams.beta / 100, tmp_path / "t"
    )
    assert found.chosen["finetune"].lr == pytest.approx(1e-3 / 3)
    assert found.chosen["aft"].lr == pytest.approx(1e-3 / 3)


def test_every_training_with_an_objective_has_the_same_steps(tmp_path):
    found = answered(["aft", "kd"], SPACE, bowl(1e-3, 3.0), tmp_path / "t")
    assert {trial.hparams.steps for trial in found.trials["finetune"]} == {100}
    assert {t.hparams.steps for method in ("aft", "kd") for t in found.trials[method]} == {400}


def test_a_given_weighting_has_betas_of_its_own(tmp_path):
    space = SearchSpace(1e-3, 0.01, 100, 100, fixed_lr=True, weighting="fixed")
    found = answered(["aft"], space, bowl(1e-3, 100.0), tmp_path / "t")
    assert [trial.hparams.beta for trial in found.trials["aft"]] == [30.0, 100.0, 300.0]
    assert {trial.hparams.weighting for trial in found.trials["aft"]} == {"fixed"}


def test_a_given_beta_leaves_the_learning_rate_to_choose(tmp_path):
    space = SearchSpace(1e-3, 0.01, 100, 400, beta=7.0)
    found = answered(["aft"], space, bowl(3e-3, 7.0), tmp_path / "t")
    assert (found.chosen["aft"].beta, found.chosen["aft"].lr) == (7.0, pytest.approx(3e-3))
    assert {trial.hparams.beta for trial in found.trials["aft"]} == {7.0}


def test_nothing_is_tried_where_there_is_nothing_to_choose(tmp_path):
    requests = []
    space = SearchSpace(1e-3, 0.01, 100, 100, fixed_lr=True)
    found = answered(["finetune"], space, bowl(1e-3, 3.0), tmp_path / "t", requests)
    assert (found.chosen["finetune"].steps, requests) == (100, [])
    given = SearchSpace(1e-3, 0.01, 100, 100, fixed_lr=True, beta=2.0, weighting="balanced")
    found = answered(["aft"], given, bowl(1e-3, 3.0), tmp_path / "t", requests)
    assert (found.chosen["aft"].beta, found.chosen["aft"].weighting, requests) == (2.0, "balanced", [])
    # Beta 0 still has to be tried where other betas compete with it.
    answered(["aft"], space, bowl(1e-3, 3.0), tmp_path / "t2", requests)
    assert [request.method for request in requests].count("finetune") == 1


def test_a_search_whose_every_trial_diverges_says_so(tmp_path):
    with pytest.raises(NonFiniteError, match="lower lr="):
        answered(["aft"], SPACE, lambda _: None, tmp_path / "t")


def test_auto_chooses_on_validation_data_and_says_what_it_tried(dataset, store, tmp_path):
    given = {"steps": 60, "batch_size": 16, "lr": 0.02, "weight_decay": 0.0, "progress": False}
    run = aft.train(dataset, STUDENT, store, out=tmp_path / "run", **given)
    trials = run.result.search.trials
    assert [(t.hparams.weighting, t.hparams.beta) for t in trials[:3]] == [
        (None, 0.0),
        ("balanced", 3.0),
        ("balanced", 10.0),
    ]
    assert 1 + 3 <= len(trials) <= 1 + TRIALS
    assert [t.stopped for t in trials[1:]] == [False] + [True] * (len(trials) - 2)  # betas are judged by a third
    plain, first, *_ = trials
    best = min(trials[1:], key=lambda t: t.early_loss)
    expected = {0.0: plain.loss, 3.0: first.loss, best.hparams.beta: first.loss + best.early_loss - first.early_loss}
    assert run.beta == min(expected, key=expected.get)
    assert "trials" in run.result.search.summary
    assert run.result.seed != SEARCH_SEED


def test_a_real_trial_is_stopped_early_and_one_that_diverges_has_no_loss(dataset, store):
    from aft.runs import HParams, TrainConfig
    from aft.training import Problem

    problem = Problem.build(dataset, STUDENT, [store], TrainConfig(batch_size=16))
    hparams = HParams(0.02, 30, 0.0, "fixed", 3.0)
    whole = run_trial(problem, TrialRequest("aft", hparams))
    assert not whole.stopped
    assert whole.early_loss is not None
    stopped = run_trial(problem, TrialRequest("aft", hparams, max_early_loss=whole.early_loss - 1e-9))
    assert stopped.stopped
    assert stopped.early_loss == whole.early_loss
    assert stopped.score == math.inf
    diverged = run_trial(problem, TrialRequest("finetune", HParams(1e30, 30, 0.0)))
    assert (diverged.loss, diverged.stopped) == (None, True)


@pytest.mark.parametrize(
    ("beta", "weighting", "expected"), [(3.0, None, "fixed"), (None, None, "balanced"), (3.0, "balanced", "balanced")]
)
def test_a_given_beta_means_the_same_as_in_a_training(beta, weighting, expected):
    space = SearchSpace(1e-3, 0.01, 100, 100, fixed_lr=True, beta=beta, weighting=weighting)
    assert _Climb("aft", space, _Climb("finetune", space)).best.weighting == expected
