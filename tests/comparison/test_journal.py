"""The journal of finished trainings."""

from dataclasses import replace

from aft.comparison import FinishedTraining, Journal, TrainingSpec, training_key
from aft.runs import HParams, Trial

HPARAMS = HParams(1e-3, 10, 0.0, "fixed", 3.0)


def finished(seed=0, loss=1.0, **options):
    spec = TrainingSpec("problem", "aft", HPARAMS, seed, "trial", options)
    return FinishedTraining(spec, 1.0, Trial("aft", HPARAMS, loss, 0.5, 0.9, 1.0))


def test_a_training_is_found_by_what_was_trained_and_on_what(tmp_path):
    journal = Journal(tmp_path / "trainings.jsonl")
    training = finished()
    journal.add(training, "digest")
    assert Journal(journal.path).find(training.spec, "digest") == training
    pooled = replace(training, trial=replace(training.trial, pooled_loss=0.7, early_pooled_loss=0.8, stopped=True))
    journal.add(pooled, "digest")
    assert Journal(journal.path).find(training.spec, "digest") == pooled
    assert Journal(journal.path).find(training.spec, "another problem") is None
    assert Journal(journal.path).find(finished(seed=1).spec, "digest") is None
    assert Journal(journal.path).find(finished(gates="fixed").spec, "digest") is None


def test_a_row_states_what_made_it_and_does_not_go_stale(tmp_path):
    Journal(tmp_path / "t.jsonl", made_by="0.0.9+abcdef1").add(finished(), "digest")
    found = Journal(tmp_path / "t.jsonl", made_by="0.1.0").find(finished().spec, "digest")
    assert found.made_by == "0.0.9+abcdef1"


def test_the_early_loss_beyond_which_a_trial_stops_is_not_part_of_its_key():
    one = TrainingSpec("p", "aft", HPARAMS, 0, "trial", max_early_loss=0.5)
    two = TrainingSpec("p", "aft", HPARAMS, 0, "trial")
    assert one == two
    assert training_key(one, "d") == training_key(two, "d")


def test_a_diverged_trial_comes_back_as_it_was(tmp_path):
    spec = TrainingSpec("p", "aft", HPARAMS, 0, "trial")
    journal = Journal(tmp_path / "t.jsonl")
    training = FinishedTraining(spec, 1.0, Trial("aft", HPARAMS, None, None, None, 1.0, stopped=True))
    journal.add(training, "d")
    assert Journal(journal.path).find(spec, "d") == training


def test_a_line_cut_off_by_a_kill_costs_that_row_alone(tmp_path):
    journal = Journal(tmp_path / "trainings.jsonl")
    trainings = [finished(seed) for seed in range(3)]
    for training in trainings[:2]:
        journal.add(training, "d")
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-20])
    reread = Journal(journal.path)
    assert [reread.find(training.spec, "d") is not None for training in trainings] == [True, False, False]
    reread.add(trainings[2], "d")
    found = Journal(journal.path)
    assert [found.find(training.spec, "d") is not None for training in trainings] == [True, False, True]


def test_beta_zero_is_fine_tuning_by_any_name():
    plain = HParams(1e-3, 10, 0.0)
    keys = {
        training_key(TrainingSpec("p", method, plain, 0, "final", {"gates": "fixed"}), "d")
        for method in ("finetune", "aft", "kd")
    }
    assert len(keys) == 1
