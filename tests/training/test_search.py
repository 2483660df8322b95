"""The hyperparameter search, answered with made-up losses and with real trials."""

import math

import pytest

import aft
from aft.errors import NonFiniteError
from aft.training import SearchSpace, Trial, TrialRequest, run_search, run_trial, search
from aft.training._search import BETAS, SEARCH_SEED, TRIALS

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200,dropout=0.0"
SPACE = SearchSpace(budget=200, lr=1e-3, weight_decay=0.01)


def answered(methods, space, loss, journal, requests=None):
    """Run a search whose trials score `loss(request)`, stopped where that exceeds the request's limit."""

    def run(request):
        if requests is not None:
            requests.append(request)
        value = loss(request)
        return Trial(
            request.method, request.hparams, value, value, value, 1.0, value is None or value > request.max_early_loss
        )

    return run_search(search(methods, space), run, journal)


def by_beta(losses, otherwise=5.0):
    return lambda request: losses.get(request.hparams.beta, otherwise) - request.hparams.steps / 1e4


def test_it_keeps_beta_zero_stops_hopeless_trials_and_resumes(tmp_path):
    requests = []
    losses = by_beta({0.0: 1.0, 3.0: 0.9, 10.0: 0.8})
    found = answered(["aft"], SPACE, losses, tmp_path / "trials.jsonl", requests)
    chosen = found.chosen["aft"]
    assert (chosen.beta, chosen.steps) == (10.0, 200)
    assert any(trial.stopped for trial in found.trials["aft"])  # a loss of 5 is hopeless
    assert not any(trial.stopped for trial in found.trials["finetune"])
    # A cut-off line costs nothing else, and no finished trial is repeated.
    count = len(requests)
    journal = tmp_path / "trials.jsonl"
    journal.write_text(journal.read_text() + '{"method": "aft", "hpa')
    again = answered(["aft"], SPACE, losses, journal, requests)
    assert again == found
    assert len(requests) == count
    worse = answered(["aft"], SPACE, lambda r: 1.0 + r.hparams.beta, tmp_path / "worse.jsonl")
    assert worse.chosen["aft"].beta == 0.0
    assert "since no beta did better on validation data" in worse.summary("aft")


def test_every_method_gets_the_same_trials_and_fine_tunings_are_shared(tmp_path):
    requests = []
    found = answered(
        ["aft", "kd", "finetune", "aft"], SPACE, lambda r: 1.0 / (1 + r.hparams.lr), tmp_path / "t", requests
    )
    assert {method: len(trials) for method, trials in found.trials.items()} == {
        "finetune": TRIALS,
        "aft": TRIALS,
        "kd": TRIALS,
    }
    assert len({(r.method, r.hparams) for r in requests}) == len(requests) == 3 * TRIALS
    plain = found.chosen["finetune"]
    assert plain.lr == 3e-3
    for trial in [*found.trials["aft"], *found.trials["kd"]]:
        hparams = trial.hparams
        assert (hparams.lr, hparams.steps, hparams.weight_decay) == (plain.lr, plain.steps, plain.weight_decay)
    for weighting, (_, below, above, _) in BETAS.items():
        tried = [t.hparams.beta for t in found.trials["aft"] if t.hparams.weighting == weighting]
        assert tried[:2] == [below, above]
        assert len(tried) == 3


def test_the_better_neighbour_is_tried(tmp_path):
    for better, expected in ((10.0, 3.0), (30.0, 100.0)):
        found = answered(
            ["aft"],
            SearchSpace(100, 1e-3, 0.01, weighting="fixed"),
            by_beta({0.0: 1.0, better: 0.8}, 0.9),
            tmp_path / f"{better}.jsonl",
        )
        assert [trial.hparams.beta for trial in found.trials["aft"]] == [10.0, 30.0, expected]


def test_nothing_is_tried_where_there_is_nothing_to_choose(tmp_path):
    fixed = frozenset({"lr", "steps", "weight_decay"})
    requests = []
    space = SearchSpace(100, 1e-3, 0.01, fixed)
    found = answered(["finetune"], space, by_beta({}), tmp_path / "t", requests)
    assert (found.chosen["finetune"].steps, requests) == (100, [])
    given = SearchSpace(100, 1e-3, 0.01, fixed, beta=2.0, weighting="balanced")
    found = answered(["aft"], given, by_beta({}), tmp_path / "t", requests)
    assert (found.chosen["aft"].beta, found.chosen["aft"].weighting, requests) == (2.0, "balanced", [])
    # Beta 0 still has to be tried where other betas compete with it.
    answered(["aft"], space, by_beta({}), tmp_path / "t2", requests)
    assert [request.method for request in requests].count("finetune") == 1


def test_a_search_whose_every_trial_diverges_says_so(tmp_path):
    with pytest.raises(NonFiniteError, match="lower lr="):
        answered(["aft"], SPACE, lambda _: None, tmp_path / "t")


def test_auto_chooses_on_validation_data_and_says_what_it_tried(dataset, store, tmp_path, monkeypatch):
    monkeypatch.setattr("aft.training._search.EARLY_STOP_RATIO", 1e9)
    given = {"steps": 60, "batch_size": 16, "lr": 0.02, "weight_decay": 0.0, "progress": False}
    run = aft.train(dataset, STUDENT, store, out=tmp_path / "run", **given)
    trials = run.result.search.trials
    assert [(t.hparams.weighting, t.hparams.beta) for t in trials[:5]] == [
        (None, 0.0),
        ("balanced", 1.0),
        ("balanced", 3.0),
        ("fixed", 10.0),
        ("fixed", 30.0),
    ]
    assert len(trials) == 1 + TRIALS
    assert run.beta == min((t for t in trials if not t.stopped), key=lambda t: t.loss).hparams.beta
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
