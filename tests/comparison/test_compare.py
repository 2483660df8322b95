import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.comparison import (
    FinishedTraining,
    Journal,
    Scheduler,
    Study,
    TrainingSpec,
    Worker,
    sample_losses,
    unpack_predictions,
)
from aft.comparison._predictions import pack_predictions
from aft.data import Dataset, Targets
from aft.errors import DataError, RunError, UsageError
from aft.features import Sample as StoredSample
from aft.features import StoreWriter
from aft.runs import HParams, TrainConfig, Trial
from aft.training import SEARCH_SEED, TRIALS, Problem, SearchSpace
from tests.conftest import sentences

STUDENT = "aft:static,width=8,hidden=8,vocabulary=200"
SETTINGS = {"batch_size": 16, "steps": 20, "progress": False, "processes": 1}


def rows_of(folder):
    return [json.loads(line) for line in (folder / "trainings.jsonl").read_text().splitlines()]


def test_every_method_gets_the_same_trials_and_seeds(dataset, store, tmp_path):
    table = aft.compare(
        dataset,
        STUDENT,
        store,
        methods=["aft", "kd"],
        seeds=2,
        out=tmp_path / "c",
        batch_size=16,
        progress=False,
        processes=1,
    )
    rows = rows_of(tmp_path / "c")
    assert [row.method for row in table.methods] == ["finetune", "aft", "kd"]
    for row in table.methods:
        assert 4 <= len(row.trials) <= TRIALS
        assert len(row.errors) == 2
        assert row.mean == pytest.approx(np.mean(row.errors))
        assert row.balanced_error == pytest.approx(1 - row.metrics["balanced_accuracy"])
    assert {row["seed"] for row in rows if row["stage"] == "trial"} == {SEARCH_SEED}
    assert {row["seed"] for row in rows if row["stage"] == "final"} == {0, 1}
    assert {row["made_by"] for row in rows} == {aft.__version__}
    plain = table.methods[0]
    for row in table.methods[1:]:
        assert (row.steps, row.lr, row.weight_decay) == (plain.steps, plain.lr, plain.weight_decay)
        best = min((t for t in [*row.trials, *plain.trials] if not t.stopped), key=lambda trial: trial.loss)
        assert (row.weighting, row.beta) == (best.weighting, best.beta)
    assert "finetune" in str(table)
    # The runs are there to be used, and the page can be made of it.
    assert len(aft.load(tmp_path / "c" / "runs" / "finetune-0").predict(["a lovely film"])) == 1
    assert aft.report(tmp_path / "c").read_text().startswith("<!doctype html>")


def test_finished_trainings_are_never_repeated_and_more_can_be_added(dataset, store, tmp_path):
    first = aft.compare(dataset, STUDENT, store, methods=["aft"], seeds=1, out=tmp_path / "c", **SETTINGS)
    before = rows_of(tmp_path / "c")
    again = aft.compare(dataset, STUDENT, store, methods=["aft"], seeds=1, out=tmp_path / "c", **SETTINGS)
    assert rows_of(tmp_path / "c") == before
    assert again.methods == first.methods
    more = aft.compare(dataset, STUDENT, store, methods=["aft", "sp"], seeds=2, out=tmp_path / "c", **SETTINGS)
    after = rows_of(tmp_path / "c")
    assert after[: len(before)] == before
    assert len({row["key"] for row in after}) == len(after)
    assert more.methods[0].errors[0] == first.methods[0].errors[0]
    with pytest.raises(RunError, match="has another"):
        aft.compare(dataset, "aft:static,width=4", store, methods=["aft"], seeds=1, out=tmp_path / "c", **SETTINGS)


SCRIPT = """
import sys, aft
from aft.data import Dataset
if __name__ == "__main__":
    dataset = Dataset.from_table(sys.argv[1], text="sentence", label="label", id="id")
    aft.compare(dataset, {student!r}, sys.argv[2], methods=["aft", "sp"], seeds=2, out=sys.argv[3], batch_size=16, steps=20,
                progress=False, processes=2)
"""


def test_killed_half_way_it_goes_on_without_repeating(dataset, reviews, store, tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "c"
    script.write_text(SCRIPT.format(student=STUDENT))
    command = [sys.executable, str(script), str(reviews), str(store.path), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    journal = out / "trainings.jsonl"
    while process.poll() is None and not (journal.exists() and len(journal.read_text().splitlines()) >= 5):
        time.sleep(0.02)
    assert process.poll() is None, "the comparison ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = [line for line in journal.read_text().split("\n")[:-1] if line]
    assert not (out / "comparison.json").exists()
    subprocess.run(command, env=environment, check=True)
    after = journal.read_text().splitlines()
    assert after[: len(before)] == before
    keys = [json.loads(line)["key"] for line in after]
    assert len(set(keys)) == len(keys)
    whole = aft.compare(dataset, STUDENT, store, methods=["aft", "sp"], seeds=2, out=tmp_path / "whole", **SETTINGS)
    resumed = aft.Comparison.open(out)
    # One process or two, interrupted or not: the same numbers.
    assert [row.errors for row in resumed.methods] == [row.errors for row in whole.methods]
    assert [row.beta for row in resumed.methods] == [row.beta for row in whole.methods]


def test_test_labels_change_nothing_but_test_metrics(dataset, store, tmp_path):
    """Beta, steps, rates and weights do not depend on the labels of the test split."""
    generator = np.random.default_rng(0)
    splits = ["test" if n % 3 == 0 else "train" for n in range(len(dataset))]
    labels = list(dataset.labels)
    labelled = [n for n, split in enumerate(splits) if split == "test" and labels[n] is not None]
    permuted = list(labels)
    for place, other in zip(labelled, generator.permutation(labelled).tolist(), strict=True):
        permuted[place] = labels[other]
    assert permuted != labels
    found = {}
    for name, chosen in (("true", labels), ("permuted", permuted)):
        data = Dataset.from_arrays(list(dataset.inputs), chosen, ids=dataset.ids, splits=splits)
        table = aft.compare(
            data,
            STUDENT,
            store,
            methods=["aft", "probe-kd", "b-tuning"],
            seeds=1,
            out=tmp_path / name,
            **{**SETTINGS, "steps": None},
        )
        runs = sorted((tmp_path / name / "runs").glob("*/model.safetensors"))
        found[name] = (
            [
                {key: getattr(row, key) for key in ("method", "weighting", "beta", "steps", "lr", "weight_decay")}
                for row in table.methods
            ],
            [
                [{key: getattr(trial, key) for key in ("weighting", "beta", "loss", "error")} for trial in row.trials]
                for row in table.methods
            ],
            [(path.parent.name, path.read_bytes()) for path in runs],
        )
    assert found["true"] == found["permuted"]


def test_noise_beside_a_real_teacher_does_not_hurt(dataset, store, tmp_path):
    """2,048 dimensions that say nothing: the probe hardly minds, and AFT's choice never does worse on validation than none."""
    noise = np.random.default_rng(0).standard_normal((len(dataset), 2048)).astype(np.float32)
    writer = StoreWriter.plan(
        tmp_path / "noise", name="noise", fingerprint={"model": "noise"}, dim=2048, dtype="float32",
        samples=[StoredSample(*pair) for pair in zip(dataset.ids, dataset.digests, strict=True)],
    )  # fmt: skip
    position = {sample_id: place for place, sample_id in enumerate(dataset.ids)}
    for shard in writer.pending():
        writer.commit(shard, noise[[position[sample.id] for sample in writer.samples(shard)]])
    useless = writer.finish()
    table = aft.compare(
        dataset, STUDENT, [store, useless], methods=["aft"], seeds=2, out=tmp_path / "c", **{**SETTINGS, "steps": 60}
    )
    plain, row = table.methods
    best = min((t for t in row.trials + plain.trials if not t.stopped), key=lambda trial: trial.loss)
    assert best.loss <= min(trial.loss for trial in plain.trials)
    assert row.mean <= plain.mean + 0.05
    if row.gates:
        assert set(row.gates) == {"letters", "noise"}


@pytest.mark.parametrize(
    ("targets", "logits", "labels", "expected"),
    [
        (Targets("classification", ("a", "b")), [[1.0, 0.0], [0.0, 1.0]], [0, 0], [0.0, 1.0]),
        (Targets("multilabel", ("a", "b")), [[1.0, -1.0], [1.0, 1.0]], [[1, 0], [0, 1]], [0.0, 0.5]),
        (Targets("regression", (), mean=3.0, scale=2.0), [[1.0], [0.0]], [0.5, 0.0], [1.0, 0.0]),
    ],
)
def test_answers_are_kept_whole(targets, logits, labels, expected):
    packed = json.loads(json.dumps(pack_predictions(targets, np.array(logits, dtype=np.float32))))
    assert sample_losses(targets, unpack_predictions(packed), np.array(labels)).tolist() == pytest.approx(expected)


def test_bad_settings_are_said(dataset, store, tmp_path):
    with pytest.raises(UsageError, match="did you mean 'aft'"):
        aft.compare(dataset, STUDENT, store, methods=["atf"], out=tmp_path / "c")
    with pytest.raises(UsageError, match="at least one seed"):
        aft.compare(dataset, STUDENT, store, seeds=0, out=tmp_path / "c")
    with pytest.raises(UsageError, match="sets seed itself"):
        aft.compare(dataset, STUDENT, store, out=tmp_path / "c", seed=3)
    with pytest.raises(DataError, match="labelled test samples"):
        aft.compare(dataset, STUDENT, store, out=tmp_path / "c", test_fraction=0.0, progress=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunError, match="empty directory"):
        aft.compare(dataset, STUDENT, store, out=tmp_path / "other", progress=False)
    with pytest.raises(RunError, match="run aft compare"):
        aft.Comparison.open(tmp_path / "nothing")


def test_a_study_asks_for_no_more_than_it_may(dataset, store):
    """The plan by itself, answered with made-up losses."""
    problem = Problem.build(dataset, STUDENT, [store], TrainConfig())
    study = Study("c", problem, ("aft", "kd"), 2, SearchSpace(1e-3, 0.01, 50, 50))
    plan, requested, finished = study.plan(), [], None
    while True:
        try:
            specs = next(plan) if finished is None else plan.send(finished)
        except StopIteration:
            break
        requested += specs
        finished = [
            FinishedTraining(
                spec, 1.0, Trial(spec.method, spec.hparams, 1.0 - 0.001 * spec.hparams.beta, 0.5, None, 1.0)
            )
            for spec in specs
        ]
    assert len(requested) <= 3 * (TRIALS + 2)
    assert study.found.chosen["aft"].beta == 30.0
    assert {spec.hparams.steps for spec in requested} == {50}


def test_runs_that_another_beta_has_overwritten_are_trained_again(dataset, store, tmp_path):
    given = {"methods": ["kd"], "seeds": 1, "lr": 0.01, "weight_decay": 0.0, **SETTINGS}
    first, _, again = (
        aft.compare(dataset, STUDENT, store, beta=beta, out=tmp_path / "c", **given) for beta in (1.0, 50.0, 1.0)
    )
    assert again.methods[1].errors == first.methods[1].errors
    assert again.methods[1].curve == first.methods[1].curve
    assert aft.Run.open(tmp_path / "c" / "runs" / "kd-0").beta == 1.0


def test_a_users_module_is_not_changed_by_a_comparison_that_resumes(tmp_path):
    values = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    data = Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())
    features = aft.extract(data, nn.Identity(), name="same", out=tmp_path / "f", progress=False)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    before = module[0].weight.detach().clone()
    given = {"methods": ["kd"], "seeds": 2, "lr": 0.01, "weight_decay": 0.0, "beta": 1.0, **SETTINGS}
    first = aft.compare(data, module, features, out=tmp_path / "c", **given)
    rows = (tmp_path / "c" / "trainings.jsonl").read_text().splitlines()
    # Killed between a finished run and its row: the run is loaded instead of trained again.
    (tmp_path / "c" / "trainings.jsonl").write_text("".join(row + "\n" for row in rows if '"final"' not in row))
    again = aft.compare(data, module, features, out=tmp_path / "c", **given)
    assert [m.errors for m in again.methods] == [m.errors for m in first.methods]
    assert torch.equal(module[0].weight, before)


def test_methods_with_objectives_need_a_teacher(dataset, tmp_path):
    with pytest.raises(UsageError, match="needs the features of a teacher"):
        aft.compare(dataset, STUDENT, [], methods=["aft"], out=tmp_path / "c")


def test_a_comparison_with_unlabelled_validation_samples_resumes_to_the_same_choice(tmp_path):
    rows = sentences(200)
    labels = [label if n < 60 else None for n, (_, _, label) in enumerate(rows[:160])] + [
        label for _, _, label in rows[160:]
    ]
    splits = ["train"] * 160 + ["test"] * 40
    data = Dataset.from_arrays([t for _, t, _ in rows], labels, ids=[name for name, _, _ in rows], splits=splits)
    teacher = aft.extract(data, "python:tests.conftest:bag_of_letters", name="bag", out=tmp_path / "f", progress=False)
    given = {"methods": ["aft"], "seeds": 1, "out": tmp_path / "c", **SETTINGS}
    first = aft.compare(data, STUDENT, teacher, **given)
    journal = tmp_path / "c" / "trainings.jsonl"
    before = journal.read_text()
    assert "pooled_loss" in before
    (tmp_path / "c" / "comparison.json").unlink()
    again = aft.compare(data, STUDENT, teacher, **given)
    assert journal.read_text() == before
    assert [m.errors for m in again.methods] == [m.errors for m in first.methods]


def test_fine_tuning_is_shared_by_studies_with_other_teachers(dataset, store, tmp_path):
    other = aft.extract(
        dataset, "python:tests.conftest:half_of_the_letters", name="half", out=tmp_path / "half", progress=False
    )
    space = SearchSpace(1e-2, 0.0, 20, 20, fixed_lr=True, beta=1.0)
    one, two = (
        Study(name, Problem.build(dataset, STUDENT, [teacher], TrainConfig(batch_size=16)), ("kd",), 2, space)
        for name, teacher in (("one", store), ("two", other))
    )
    assert Scheduler(Journal(tmp_path / "trainings.jsonl"), processes=1, progress=False).run([one, two]) == [one, two]
    trained = [(row["problem"], row["method"]) for row in rows_of(tmp_path) if row["stage"] == "final"]
    assert trained.count(("one", "finetune")) == trained.count(("one", "kd")) == trained.count(("two", "kd")) == 2
    assert ("two", "finetune") not in trained
    # It is the very same training there.
    for final in two.finals["finetune"]:
        assert Worker({"two": two.problem}).work(final.spec).test == final.test
    assert two.finals["kd"][0].test != one.finals["kd"][0].test


def test_a_trial_that_another_search_stopped_is_run_again(dataset, store, tmp_path):
    problem = Problem.build(dataset, STUDENT, [store], TrainConfig(batch_size=16))
    study = Study("c", problem, ("kd",), 1, SearchSpace(0.01, 0.0, 20, 20, fixed_lr=True, beta=1.0))
    journal = Journal(tmp_path / "trainings.jsonl")
    specs = next(study.plan())
    for spec in specs:
        stopped = Trial(spec.method, spec.hparams, 0.9, 0.5, 0.8, 1.0, stopped=True)
        journal.add(FinishedTraining(spec, 1.0, stopped), study.digest_for(spec))
    scheduler = Scheduler(journal, processes=1, progress=False)
    for spec in specs:
        assert scheduler._find(study, replace(spec, max_early_loss=0.7)) is not None
        assert scheduler._find(study, replace(spec, max_early_loss=0.8)) is None
    assert scheduler.run([study]) == [study]
    assert all(not trial.stopped for trial in study.found.trials["finetune"])


def test_a_complete_study_starts_no_process(dataset, store, tmp_path, monkeypatch):
    problem = Problem.build(dataset, STUDENT, [store], TrainConfig(batch_size=16))
    space = SearchSpace(0.01, 0.0, 20, 20, fixed_lr=True, beta=1.0)
    journal = Journal(tmp_path / "trainings.jsonl")
    first = Study("c", problem, ("kd",), 1, space)
    Scheduler(journal, processes=1, progress=False).run([first])
    monkeypatch.setattr(Scheduler, "_workers", None)
    again = Study("c", problem, ("kd",), 1, space)
    assert Scheduler(journal, processes=2, limit=0, progress=False).run([again]) == [again]
    assert again.finals == first.finals


@pytest.mark.parametrize("keeps_runs", [True, False])
def test_a_final_training_is_tested_once(dataset, store, tmp_path, monkeypatch, keeps_runs):
    calls, outputs = [], Problem.test_logits
    monkeypatch.setattr(Problem, "test_logits", lambda self, student: calls.append(1) or outputs(self, student))
    problem = Problem.build(dataset, STUDENT, [store], TrainConfig(batch_size=16, lr=1e-2, beta=1.0, steps=10))
    scheduler = Scheduler(
        Journal(tmp_path / "j.jsonl"), processes=1, runs=tmp_path / "runs" if keeps_runs else None, progress=False
    )
    (study,) = scheduler.run([Study("s", problem, ("aft",), 2)])
    assert len(calls) == 4  # fine-tuning and AFT, with two seeds each
    assert all(one.predictions is not None for ones in study.finals.values() for one in ones)


def test_a_training_that_two_studies_want_is_run_once(dataset, store, tmp_path):
    problem = Problem.build(dataset, STUDENT, [store], TrainConfig(batch_size=16))
    space = SearchSpace(0.01, 0.0, 20, 20, fixed_lr=True, beta=1.0)
    studies = [Study(name, problem, (), 1, space) for name in ("one", "two")]
    scheduler = Scheduler(Journal(tmp_path / "trainings.jsonl"), processes=2, progress=False)
    assert scheduler.run(studies) == studies
    assert scheduler.trained == len(rows_of(tmp_path)) == 1


def test_patience_counts_without_run_directories_too(dataset, store, tmp_path):
    problem = Problem.build(dataset, STUDENT, [store], TrainConfig(batch_size=16, patience=1))
    spec = TrainingSpec("c", "finetune", HParams(0.3, 400, 0.0), 0, "final")
    kept = Worker({"c": problem}, tmp_path / "runs").work(spec)
    assert Worker({"c": problem}).work(spec).test == kept.test
