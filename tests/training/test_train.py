import csv
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import DataError, NonFiniteError, OutOfMemoryError, RunError, UnknownIdError, UsageError
from aft.features import open_stores
from aft.runs import Run, RunLayout, TrainConfig, gate_weights
from aft.training import Problem
from tests.conftest import letters, sentences

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200,dropout=0.0"
FAST = {"steps": 60, "batch_size": 16, "lr": 0.02, "progress": False}


def weights(run):
    return load_file(RunLayout(run.path).weights)


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("method", ["finetune", "aft", "kd", "rkd", "sp", "cka", "ft", "b-tuning", "probe-kd"])
def test_each_method_trains_into_a_run_that_predicts(dataset, store, tmp_path, method):
    run = aft.train(dataset, STUDENT, store, out=tmp_path / "run", method=method, beta=1.0, **FAST)
    assert run.error < 0.45
    assert run.result.samples.model_dump() == {"labelled": 72, "unlabelled": 30, "validation": 14, "test": 18}
    model = aft.load(run.path)
    one, two = model.predict(["a lovely warm bright clever film", "a dull cold flat ugly film"])
    assert (one.label, two.label) == ("pos", "neg")
    assert sum(one.probabilities.values()) == pytest.approx(1)
    assert aft.evaluate(run.path, dataset).error == pytest.approx(run.error)
    assert aft.evaluate(run.path, dataset).samples == 18
    assert (gate_weights(run.path) is not None) == (method == "aft")
    assert "trained by [aft]" in RunLayout(run.path).card.read_text()
    assert (run.path / "metrics.csv").read_text().startswith("step,task_loss")
    assert list((run.path / "tensorboard").iterdir())


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_random_numbers_alone(dataset, store, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = aft.train(dataset, STUDENT, store, out=tmp_path / "a", beta=1.0, **FAST)
    assert torch.equal(torch.rand(3), expected)
    two = aft.train(dataset, STUDENT, store, out=tmp_path / "b", beta=1.0, **FAST)
    other = aft.train(dataset, STUDENT, store, out=tmp_path / "c", beta=1.0, seed=1, **FAST)
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_worker_processes_give_the_same_weights(dataset, store, tmp_path):
    one = aft.train(dataset, STUDENT, store, out=tmp_path / "a", beta=1.0, **FAST)
    two = aft.train(dataset, STUDENT, store, out=tmp_path / "b", beta=1.0, workers=1, **FAST)
    assert same(weights(one), weights(two))


def test_every_method_starts_from_the_same_weights(dataset, store):
    starts = []
    for method in ("finetune", "aft", "probe-kd"):
        problem = Problem.build(dataset, STUDENT, [store], TrainConfig(method=method))
        starts.append(problem.students.new(0).state_dict())
    assert same(starts[0], starts[1])
    assert same(starts[0], starts[2])


def test_interrupted_and_resumed_training_ends_with_the_same_weights(dataset, store, tmp_path, monkeypatch):
    whole = aft.train(dataset, STUDENT, store, out=tmp_path / "whole", beta=1.0, **FAST)
    monkeypatch.setattr("aft.training._checkpoint.EVERY", 0.0)
    from aft.training._fit import TrainingModule

    step = TrainingModule.training_step

    def interrupted(self, batch, index):
        if self.global_step == 17:
            raise KeyboardInterrupt
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        aft.train(dataset, STUDENT, store, out=tmp_path / "parts", beta=1.0, **FAST)
    (checkpoint,) = (tmp_path / "parts" / "checkpoints").glob("step-*.ckpt")
    good = checkpoint.read_bytes()
    for place in (0, len(good) // 3, len(good) // 2, len(good) - 1):
        checkpoint.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(RunError, match=r"step-.*\.ckpt' is not what was written"):
            aft.train(dataset, STUDENT, store, out=tmp_path / "parts", beta=1.0, **FAST)
    checkpoint.write_bytes(good)
    assert not (tmp_path / "parts" / "result.json").exists()
    seen = []
    monkeypatch.setattr(
        TrainingModule, "training_step", lambda self, b, i: seen.append(self.global_step) or step(self, b, i)
    )
    parts = aft.train(dataset, STUDENT, store, out=tmp_path / "parts", beta=1.0, **FAST)
    assert seen == list(range(17, 60))
    assert same(weights(whole), weights(parts))
    assert same(
        load_file(tmp_path / "whole" / "objective.safetensors"), load_file(tmp_path / "parts" / "objective.safetensors")
    )
    assert (tmp_path / "whole" / "metrics.csv").read_text() == (tmp_path / "parts" / "metrics.csv").read_text()


def test_a_finished_run_is_returned_and_other_settings_are_refused(dataset, store, tmp_path):
    run = aft.train(dataset, STUDENT, store, out=tmp_path / "run", beta=1.0, **FAST)
    stamp = RunLayout(run.path).weights.stat().st_mtime_ns
    again = aft.train(dataset, STUDENT, store, out=tmp_path / "run", beta=1.0, **FAST)
    assert again == run
    assert RunLayout(run.path).weights.stat().st_mtime_ns == stamp
    with pytest.raises(RunError, match=r"beta 1\.0 instead of 2\.0"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "run", beta=2.0, **FAST)
    assert aft.train(dataset, STUDENT, store, out=tmp_path / "run", beta=2.0, overwrite=True, **FAST).beta == 2.0
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("precious")
    with pytest.raises(RunError, match=r"thesis\.txt"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "notes", beta=1.0, overwrite=True, **FAST)


def test_auto_chooses_on_validation_data_and_says_what_it_tried(dataset, store, tmp_path, monkeypatch):
    monkeypatch.setattr("aft.training._search.GRID", {"raw": (1.0, 10.0), "balanced": (1.0,)})
    monkeypatch.setattr("aft.training._search.HOPELESS", 1e9)
    run = aft.train(dataset, STUDENT, store, out=tmp_path / "run", **FAST)
    trials = run.result["selection"]["trials"]
    assert [(t["form"], t["beta"]) for t in trials] == [("none", 0.0), ("raw", 1.0), ("raw", 10.0), ("balanced", 1.0)]
    assert run.beta == min((t for t in trials if not t["pruned"]), key=lambda t: t["loss"])["beta"]
    assert "trials" in run.result["selection"]["chosen"]


def test_permuted_test_labels_change_nothing_but_the_test_metrics(tmp_path):
    rows = sentences(120)
    splits = ["train"] * 90 + ["test"] * 30
    ids, texts, labels = zip(*rows, strict=True)
    permuted = [*labels[:90], *np.random.default_rng(1).permutation(labels[90:]).tolist()]
    runs = []
    for name, chosen in (("a", labels), ("b", permuted)):
        data = Dataset.from_arrays(list(texts), list(chosen), ids=list(ids), splits=splits)
        features = aft.extract(
            data, "python:tests.conftest:bag_of_letters", name="t", out=tmp_path / "f", progress=False
        )
        runs.append(
            aft.train(data, STUDENT, features, out=tmp_path / name, method="probe-kd", steps=20, progress=False)
        )
    assert same(weights(runs[0]), weights(runs[1]))
    one, two = (r.result["selection"]["trials"] for r in runs)
    assert [t["loss"] for t in one] == [t["loss"] for t in two]
    assert runs[0].error != runs[1].error


def test_the_search_keeps_zero_prunes_and_resumes(tmp_path):
    asked = []

    def run(form, beta, steps, limit):
        asked.append((form, beta, steps))
        loss = {0.0: 1.0, 3.0: 0.9, 10.0: 0.8}.get(beta, 5.0) - steps / 1e4
        return Trial(form, beta, steps, loss, loss, loss, 1.0, pruned=loss > limit)

    chosen = select(run, forms=("raw",), usual_steps=100, steps=None, with_objective=True, journal=tmp_path / "j.jsonl")
    assert (chosen.form, chosen.beta, chosen.steps) == ("raw", 10.0, 200)
    assert not any(beta == 100.0 for _, beta, _ in asked)  # beta 30 was hopeless
    count = len(asked)
    journal = tmp_path / "j.jsonl"
    journal.write_text(journal.read_text() + '{"form": "raw", "be')
    assert (
        select(run, forms=("raw",), usual_steps=100, steps=None, with_objective=True, journal=tmp_path / "j.jsonl")
        == chosen
    )
    assert len(asked) == count
    worse = select(
        lambda f, b, s, limit: Trial(f, b, s, 1.0 + b, 0, 1.0, 1.0),
        forms=("raw", "balanced"), usual_steps=10, steps=10, with_objective=True,
    )  # fmt: skip
    assert worse.beta == 0.0


def test_batches_are_reshuffled_each_epoch_and_hold_labels():
    labelled = np.array([True] * 10 + [False] * 90)
    parts = streams(np.arange(100), labelled, 8)
    schedule = BatchSchedule(parts, seed=0)
    batches = [schedule.batch(step) for step in range(50)]
    assert all(len(b) == 8 and labelled[b].sum() == 4 for b in batches)
    first = np.concatenate([b[:4] for b in batches])
    assert sorted(first[:10]) == sorted(first[10:20]) == list(range(10))
    assert first[:10].tolist() != first[10:20].tolist()
    again = BatchSchedule(parts, seed=0)
    assert np.array_equal(again.batch(37), batches[37])  # a function of the step alone


def test_unlabelled_samples_are_used_skipped_or_refused(dataset, store, tmp_path):
    for choice, count in (("use", 30), ("skip", 0)):
        run = aft.train(dataset, STUDENT, store, out=tmp_path / choice, beta=1.0, unlabelled=choice, **FAST)
        assert run.result["samples"]["unlabelled"] == count
    with pytest.raises(DataError, match="30 have none, first 'id0'"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "error", beta=1.0, unlabelled="error", **FAST)


def test_nan_stops_training_with_the_ids(tmp_path):
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 4)

        def forward(self, input):
            return torch.where(input[:, :1] == 7, torch.nan, self.inner(input))

    values = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
    values[13, 0] = 7
    data = Dataset.from_arrays(values, ["a", "b"] * 30, ids=[f"s{i}" for i in range(60)], splits=["train"] * 60)
    with pytest.raises(NonFiniteError, match="NaN or infinite at step .*'s13'|NaN or infinite at step .* more"):
        aft.train(
            data, Bad(), out=tmp_path / "run", method="finetune", beta=0.0, steps=20, batch_size=8, progress=False
        )
    assert not (tmp_path / "run" / "result.json").exists()


def test_no_checkpoint_is_kept_of_weights_that_are_not_finite(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("aft.training._checkpoint.EVERY", 0.0)
    from aft.training._loss import TaskLoss

    forward, calls = TaskLoss.forward, []

    def poisoned(self, *arguments):
        calls.append(1)
        return forward(self, *arguments) * (float("nan") if len(calls) == 11 else 1)

    options = {"method": "finetune", "beta": 0, "out": tmp_path / "run", **FAST}
    with monkeypatch.context() as patch:
        patch.setattr(TaskLoss, "forward", poisoned)
        with pytest.raises(NonFiniteError, match="step 10"):
            aft.train(dataset, STUDENT, **options)
    assert [path.name[:14] for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000000010"]
    again = aft.train(dataset, STUDENT, **options)
    assert same(weights(again), weights(aft.train(dataset, STUDENT, **{**options, "out": tmp_path / "whole"})))


def test_a_module_is_copied_not_changed(tmp_path):
    values = np.random.default_rng(0).standard_normal((80, 3)).astype(np.float32)
    data = Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())
    features = aft.extract(data, nn.Identity(), name="same", out=tmp_path / "f", progress=False)
    module = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    run = aft.train(data, module, features, out=tmp_path / "run", beta=0.3, steps=150, lr=0.01, progress=False)
    assert run.error < 0.2
    assert same(before, module.state_dict())
    assert aft.load(run.path, student=module).predict(values[:3])[0].label in ("up", "down")


def test_regression_multilabel_and_class_weights(tmp_path):
    rows = sentences(120)
    texts, ids = [t for _, t, _ in rows], [i for i, _, _ in rows]
    values = [10 + 5.0 * text.count("l") for text in texts]
    data = Dataset.from_arrays(texts, values, ids=ids)
    features = aft.extract(data, "python:tests.conftest:bag_of_letters", name="t", out=tmp_path / "f", progress=False)
    run = aft.train(
        data,
        STUDENT,
        features,
        out=tmp_path / "r",
        task="regression",
        method="probe-kd",
        beta=1.0,
        steps=150,
        progress=False,
    )
    assert run.error < 0.8 * np.std(values)
    assert 0 < aft.load(run.path).predict(texts[:1])[0].label < 60
    many = [tuple(w for w in ("lovely", "cold") if w in text) for text in texts]
    tags = Dataset.from_arrays(texts, many, ids=ids)
    run = aft.train(
        tags,
        STUDENT,
        features,
        out=tmp_path / "m",
        method="finetune",
        steps=150,
        beta=0.0,
        class_weights="balanced",
        progress=False,
    )
    assert run.result["test"]["error_name"] == "1 - micro F1"
    assert run.error < 0.4
    with pytest.raises(UsageError, match="class weights are for classes"):
        aft.train(
            data, STUDENT, features, out=tmp_path / "x", task="regression", beta=1.0, class_weights="balanced", **FAST
        )


@pytest.mark.parametrize("precision", ["bf16"])
def test_mixed_precision(dataset, store, tmp_path, precision):
    run = aft.train(
        dataset, STUDENT, store, out=tmp_path / "run", beta=1.0, strength="balanced", precision=precision, **FAST
    )
    assert run.error < 0.5


def test_missing_features_and_methods_are_said(dataset, store, tmp_path):
    part = dataset.subset(range(40))
    few = aft.extract(part, "python:tests.conftest:bag_of_letters", name="few", out=tmp_path / "f2", progress=False)
    with pytest.raises(UnknownIdError, match="run aft extract on this dataset"):
        aft.train(dataset, STUDENT, few, out=tmp_path / "a", beta=1.0, **FAST)
    with pytest.raises(UsageError, match="needs teachers' features"):
        aft.train(dataset, STUDENT, out=tmp_path / "b", beta=1.0, **FAST)
    with pytest.raises(UsageError, match="did you mean 'probe-kd'"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "c", method="probekd", **FAST)
    with pytest.raises(UsageError, match="unknown setting 'betta'; did you mean 'beta'"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "d", betta=1.0, **FAST)
    with pytest.raises(UsageError, match="--label-smoothing does not take that value"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "e", label_smoothing=2.0, **FAST)


def test_damaged_weights_are_refused(dataset, tmp_path):
    run = aft.train(dataset, STUDENT, out=tmp_path / "run", method="finetune", beta=0.0, **FAST)
    path = RunLayout(run.path).weights
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 4
    path.write_bytes(raw)
    with pytest.raises(RunError, match=r"model\.safetensors"):
        aft.load(run.path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="make one with aft train"):
        aft.load(tmp_path / "empty")


def test_splits_are_recorded(dataset, tmp_path):
    run = aft.train(dataset, STUDENT, out=tmp_path / "run", method="finetune", beta=0.0, **FAST)
    with (run.path / "splits.csv").open() as file:
        parts = {row["id"]: row["split"] for row in csv.DictReader(file)}
    assert set(parts) == set(dataset.ids)
    assert json.loads((run.path / "config.json").read_text())["data"]["text"] == "sentence"
    assert isinstance(Run.open(run.path), Run)


def test_joined_methods_add_up(dataset, store, tmp_path):
    """Each is weighed by the task alone; raw strengths are those of the sum."""
    run = aft.train(dataset, "aft:static,width=8,hidden=8,vocabulary=200", store, method="aft+probe-kd", beta=1.0, strength="balanced",
                    steps=10, batch_size=16, out=tmp_path / "both", progress=False)  # fmt: skip
    assert run.method == "aft+probe-kd"
    gates = aft.training.gate_weights(tmp_path / "both")
    assert gates["letters"].shape == (26,)
    alone = aft.train(dataset, "aft:static,width=8,hidden=8,vocabulary=200", store, method="aft", beta=1.0, strength="balanced",
                      steps=10, batch_size=16, out=tmp_path / "aft", progress=False)  # fmt: skip
    assert run.result["weights_sha256"] != alone.result["weights_sha256"]
    for method, message in (
        ("aft+aft", "different objectives"),
        ("aft+finetune", "different objectives"),
        ("aft+nothing", "unknown method"),
    ):
        with pytest.raises(UsageError, match=message):
            aft.train(dataset, "aft:static", store, method=method, out=tmp_path / "no", progress=False)


def test_a_batch_that_does_not_fit_says_what_to_lower(dataset, tmp_path):
    class Huge(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(26, 4)

        def forward(self, input):
            if len(input) > 8:  # more than an address space holds, of the machine's own allocator
                torch.empty(1 << 60)
            return self.fc(input)

    with pytest.raises(OutOfMemoryError, match="samples do not; lower --batch-size"):
        aft.train(dataset, Huge(), method="finetune", preprocess=letters, beta=0, out=tmp_path / "r", **FAST)
    settings = {**FAST, "batch_size": 8}
    run = aft.train(
        dataset, Huge(), method="finetune", preprocess=letters, beta=0, out=tmp_path / "r", overwrite=True, **settings
    )
    assert run.error is not None
