"""The validation loss by epoch, and stopping when it no longer falls."""

import csv

import numpy as np
import pytest
import torch

import aft
from aft.data import Dataset
from aft.errors import UsageError
from aft.models import weights_digest
from aft.runs import HParams, RunLayout, TrainConfig
from aft.training import Problem, TrialRequest, expected_trials, fit, run_trial, time_training
from tests.conftest import sentences

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200,dropout=0.0"
FINETUNE = {"method": "finetune", "beta": 0.0, "batch_size": 16, "progress": False}


def build(dataset, **settings):
    return Problem.build(dataset, STUDENT, [], TrainConfig(method="finetune", batch_size=16, **settings))


def test_measuring_changes_nothing(dataset):
    problem = build(dataset)
    hparams = HParams(0.02, 40, 0.01)
    plain = fit(problem, hparams, 0, positions=problem.search_train)
    watched = fit(problem, hparams, 0, positions=problem.search_train, validate=True)
    assert weights_digest(plain.student) == weights_digest(watched.student)
    assert 5 <= len(watched.curve) <= 10
    assert watched.curve[-1].step == 40
    assert watched.curve[-1][2:] == problem.measure_validation(watched.student)


def test_a_trial_has_its_curve(dataset):
    problem = build(dataset)
    trial = run_trial(problem, TrialRequest("finetune", HParams(0.02, 40, 0.01)))
    assert trial.curve[-1].loss == trial.loss
    assert trial.curve[0].loss > trial.loss


def test_epochs_are_an_alternative_to_steps(dataset):
    problem = build(dataset, epochs=3)
    assert problem.counts.labelled == 72
    assert problem.default_hparams(problem.config).steps == round(3 * 72 / 16)
    assert problem.default_hparams(problem.config, objective=True).steps == round(3 * len(problem.train) / 16)
    with pytest.raises(UsageError, match="is given once; received steps=5 and epochs=2; leave one out"):
        TrainConfig(steps=5, epochs=2)
    with pytest.raises(UsageError, match="epochs= does not take that value"):
        TrainConfig(epochs=0)


@pytest.fixture
def noise():
    """Labels that nothing can be learned from: the validation loss soon rises."""
    labels = np.random.default_rng(3).choice(["a", "b"], 120).tolist()
    return Dataset.from_arrays([text for _, text, _ in sentences(120)], labels)


def test_patience_stops_and_keeps_the_best_epoch(noise, tmp_path):
    run = aft.train(noise, STUDENT, out=tmp_path / "r", epochs=60, lr=0.05, patience=3, **FINETUNE)
    with RunLayout(run.path).validation.open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows]
    assert [round(float(row["epoch"])) for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) < 60  # it stopped
    assert len(losses) - 1 - int(np.argmin(losses)) == 3
    assert run.result.best_step == int(rows[int(np.argmin(losses))]["step"])
    # The kept weights are those of the best epoch, and the validation samples were not trained on.
    problem = build(noise, patience=3)
    assert not problem.trains_on_validation
    loss, _ = problem.measure_validation(aft.load(run.path).student)
    assert loss == pytest.approx(min(losses), abs=1e-5)


def test_patience_resumes_as_if_never_interrupted(noise, tmp_path, monkeypatch):
    settings = {"epochs": 60, "lr": 0.05, "patience": 3, **FINETUNE}
    whole = aft.train(noise, STUDENT, out=tmp_path / "whole", **settings)
    monkeypatch.setattr("aft.training._checkpoint.EVERY", 0.0)
    from aft.training._validation import ValidationCurve

    measured, original = [], ValidationCurve.on_train_batch_end

    def interrupted(self, trainer, *arguments):
        original(self, trainer, *arguments)
        measured.append(trainer.global_step)
        if len(measured) == len_before_best + 2:
            raise KeyboardInterrupt

    len_before_best = whole.result.best_step
    with monkeypatch.context() as patch:
        patch.setattr(ValidationCurve, "on_train_batch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            aft.train(noise, STUDENT, out=tmp_path / "cut", **settings)
    resumed = aft.train(noise, STUDENT, out=tmp_path / "cut", **settings)
    assert resumed.result.weights_sha256 == whole.result.weights_sha256
    assert resumed.result.best_step == whole.result.best_step


def test_a_validation_split_of_the_data_is_measured_without_patience(dataset, tmp_path):
    splits = ["validation" if n % 5 == 0 else "test" if n % 5 == 1 else "train" for n in range(120)]
    given = Dataset(dataset.ids, dataset.inputs, labels=dataset.labels, splits=splits)
    run = aft.train(given, STUDENT, out=tmp_path / "given", steps=30, **FINETUNE)
    assert RunLayout(run.path).validation.exists()
    held_out = aft.train(dataset, STUDENT, out=tmp_path / "held", steps=30, **FINETUNE)
    assert not RunLayout(held_out.path).validation.exists()


def test_the_remaining_trials_are_foreseen(dataset, store, tmp_path):
    config = TrainConfig(batch_size=16, epochs=2)
    problem = Problem.build(dataset, STUDENT, [store], config)
    space = problem.search_space(config)
    foreseen = expected_trials([config.method], space)
    run = aft.train(dataset, STUDENT, store, out=tmp_path / "r", batch_size=16, epochs=2, progress=False)
    ran = run.result.search.trials
    assert 0 < len(foreseen) <= len(ran)  # a search goes on while the best trial is at an end of what was tried
    assert expected_trials([config.method], space, ran) == []
    assert 0 < len(expected_trials([config.method], space, ran[:4])) < len(foreseen)


def test_timing_steps_leaves_no_trace(dataset):
    problem = build(dataset)
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    before = weights_digest(problem.template)
    assert min(time_training(problem)) > 0
    assert weights_digest(problem.template) == before
    assert torch.equal(torch.randn(3), expected)


def test_patience_that_cannot_stop_anything_is_mentioned(dataset, tmp_path, caplog):
    aft.train(dataset, STUDENT, out=tmp_path / "r", epochs=2, patience=3, **FINETUNE)
    assert "patience=3 cannot stop a training of 2" in caplog.text


def test_a_training_that_was_stopped_stays_stopped_when_it_resumes(noise, tmp_path, monkeypatch):
    settings = {"epochs": 60, "lr": 0.05, "patience": 3, **FINETUNE}
    whole = aft.train(noise, STUDENT, out=tmp_path / "whole", **settings)
    monkeypatch.setattr("aft.training._checkpoint.EVERY", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(
            "aft.training._run_training._write_outputs", lambda *_: 1 / 0
        )  # after the last step, before the run
        with pytest.raises(ZeroDivisionError):
            aft.train(noise, STUDENT, out=tmp_path / "part", **settings)
    resumed = aft.train(noise, STUDENT, out=tmp_path / "part", **settings)
    assert resumed.result.best_step == whole.result.best_step
    assert resumed.result.weights_sha256 == whole.result.weights_sha256


def test_an_epoch_sees_every_labelled_sample(dataset):
    problem = Problem.build(dataset, STUDENT, [], TrainConfig(epochs=10, batch_size=128))  # all samples in one batch
    assert problem.default_hparams(problem.config).steps == 10
