import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import (
    DataError,
    LeakageError,
    ModelError,
    NonFiniteError,
    OutOfMemoryError,
    RunError,
    UnknownIdError,
    UsageError,
)
from aft.features import FeatureStore
from aft.runs import RunLayout, gate_weights
from aft.training._module import TrainingModule
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture
from tests.conftest import letters, sentences
from tests.training.interruption import interrupted_at

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


@pytest.mark.parametrize("student", [STUDENT, f"aft:ngrams+{STUDENT}"])
def test_interrupted_and_resumed_training_ends_with_the_same_weights(dataset, store, tmp_path, monkeypatch, student):
    whole = aft.train(dataset, student, store, out=tmp_path / "whole", beta=1.0, **FAST)
    with interrupted_at(monkeypatch, 17), pytest.raises(KeyboardInterrupt):
        aft.train(dataset, student, store, out=tmp_path / "parts", beta=1.0, **FAST)
    (checkpoint,) = (tmp_path / "parts" / "checkpoints").glob("step-*.ckpt")
    good = checkpoint.read_bytes()
    for place in (0, len(good) // 3, len(good) // 2, len(good) - 1):
        checkpoint.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(RunError, match=r"step-.*\.ckpt' is not what was written"):
            aft.train(dataset, student, store, out=tmp_path / "parts", beta=1.0, **FAST)
    checkpoint.write_bytes(good)
    assert not (tmp_path / "parts" / "result.json").exists()
    seen, step = [], TrainingModule.training_step
    monkeypatch.setattr(
        TrainingModule, "training_step", lambda self, b, i: seen.append(self.global_step) or step(self, b, i)
    )
    parts = aft.train(dataset, student, store, out=tmp_path / "parts", beta=1.0, **FAST)
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
    one, two = (r.result.search.trials for r in runs)
    assert [t.loss for t in one] == [t.loss for t in two]
    assert runs[0].error != runs[1].error


def test_unlabelled_samples_are_used_skipped_or_refused(dataset, store, tmp_path):
    for choice, count in (("use", 30), ("skip", 0)):
        run = aft.train(dataset, STUDENT, store, out=tmp_path / choice, beta=1.0, unlabelled=choice, **FAST)
        assert run.result.samples.unlabelled == count
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


def test_the_loss_of_an_ordinal_task_spreads_each_label_over_its_neighbours():
    from aft.data import Targets
    from aft.training._loss import TaskLoss

    targets = Targets("classification", ("low", "mid", "high"), ordered=True)
    logits, labels = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    known = torch.tensor([True, True, True, False])
    logs = logits.float().log_softmax(dim=1)
    expected = 0.0
    for row, label in list(zip(logs, labels.tolist(), strict=True))[:3]:
        near = [np.exp(-1.5 * abs(k - label)) for k in range(3)]
        expected -= sum(n / sum(near) * float(value) for n, value in zip(near, row, strict=True)) / 3
    assert float(TaskLoss(targets)(logits, labels, known)) == pytest.approx(expected, rel=1e-5)
    assert TaskLoss(targets).state_dict() == {}


def test_an_ordinal_task_from_the_command_line_to_predictions(tmp_path, aft_command):  # noqa: F811
    rows = sentences(150)
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for n, (_, text, _) in enumerate(rows):
            grade = "low" if "cold" in text else "high" if "lovely" in text else "mid"
            writer.writerow([f"{text} {n}", "mid" if n % 9 == 0 else grade])
    arguments = (
        "--text",
        "text",
        "--label",
        "label",
        "--student",
        STUDENT,
        "--method",
        "finetune",
        "--steps",
        "60",
        "--lr",
        "0.02",
    )
    status, _, err = aft_command(
        "train", tmp_path / "data.csv", *arguments, "--task", "ordinal", "--out", tmp_path / "x"
    )
    assert (status, "--order lists them from the lowest to the highest" in err) == (2, True), err
    status, shown, err = aft_command(
        "train", tmp_path / "data.csv", *arguments, "--order", "low,mid,high", "--out", tmp_path / "run"
    )
    assert status == 0, err
    assert "ordinal, as given; 3 classes" in err
    run = aft.Run.open(tmp_path / "run")
    model = aft.load(run)
    assert (model.targets.name, model.targets.classes) == ("ordinal", ("low", "mid", "high"))
    assert 0 <= run.result.test.values["mae"] < 0.7
    assert "quadratic_kappa" in run.result.test.values
    assert model.predict([rows[1][1]])[0].label in ("low", "mid", "high")


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
    assert run.result.test.error_name == "1 - micro F1"
    assert run.error < 0.4
    with pytest.raises(UsageError, match="class weights are for classification"):
        aft.train(
            data, STUDENT, features, out=tmp_path / "x", task="regression", beta=1.0, class_weights="balanced", **FAST
        )


@pytest.mark.parametrize("precision", ["bf16"])
def test_mixed_precision(dataset, store, tmp_path, precision):
    run = aft.train(
        dataset, STUDENT, store, out=tmp_path / "run", beta=1.0, weighting="balanced", precision=precision, **FAST
    )
    assert run.error < 0.5


def test_missing_features_and_methods_are_said(dataset, store, tmp_path):
    part = dataset.subset(range(40))
    few = aft.extract(part, "python:tests.conftest:bag_of_letters", name="few", out=tmp_path / "f2", progress=False)
    with pytest.raises(UnknownIdError, match="run aft extract on this dataset"):
        aft.train(dataset, STUDENT, few, out=tmp_path / "a", beta=1.0, **FAST)
    with pytest.raises(UsageError, match="needs the features of a teacher"):
        aft.train(dataset, STUDENT, out=tmp_path / "b", beta=1.0, **FAST)
    with pytest.raises(UsageError, match="did you mean 'probe-kd'"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "c", method="probekd", **FAST)
    with pytest.raises(UsageError, match="unknown setting 'betta'; did you mean 'beta'"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "d", betta=1.0, **FAST)
    with pytest.raises(UsageError, match="label_smoothing= does not take that value"):
        aft.train(dataset, STUDENT, store, out=tmp_path / "e", label_smoothing=2.0, **FAST)


def test_joined_methods_add_up(dataset, store, tmp_path):
    """Each objective is weighted against the task alone."""
    run = aft.train(dataset, "aft:static,width=8,hidden=8,vocabulary=200", store, method="aft+probe-kd", beta=1.0, weighting="balanced",
                    steps=10, batch_size=16, out=tmp_path / "both", progress=False)  # fmt: skip
    assert run.method == "aft+probe-kd"
    gates = gate_weights(tmp_path / "both")
    assert gates["letters"].shape == (26,)
    alone = aft.train(dataset, "aft:static,width=8,hidden=8,vocabulary=200", store, method="aft", beta=1.0, weighting="balanced",
                      steps=10, batch_size=16, out=tmp_path / "aft", progress=False)  # fmt: skip
    assert run.result.weights_sha256 != alone.result.weights_sha256
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
            return self.fc(input).relu()

    with pytest.raises(OutOfMemoryError, match="samples do not; lower batch_size="):
        aft.train(dataset, Huge(), method="finetune", preprocess=letters, beta=0, out=tmp_path / "r", **FAST)
    settings = {**FAST, "batch_size": 8}
    run = aft.train(
        dataset, Huge(), method="finetune", preprocess=letters, beta=0, out=tmp_path / "r", overwrite=True, **settings
    )
    assert run.error is not None


PLAIN = {"method": "finetune", "beta": 0.0, "steps": 5, "progress": False}


def numbers(n=60):
    values = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    return Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())


def test_another_module_is_another_run(tmp_path):
    one = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    two = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU())
    aft.train(numbers(), one, out=tmp_path / "r", **PLAIN)
    with pytest.raises(RunError, match="another initial weights"):
        aft.train(numbers(), two, out=tmp_path / "r", **PLAIN)


def test_a_validation_split_that_shares_samples_with_the_test_split_is_rejected(tmp_path):
    rows = sentences(40)
    texts = [t for _, t, _ in rows] + [t for _, t, _ in rows[-5:]]
    labels = [label for _, _, label in rows] + [label for _, _, label in rows[-5:]]
    splits = ["train"] * 35 + ["validation"] * 5 + ["test"] * 5
    data = Dataset.from_arrays(texts, labels, splits=splits)
    with pytest.raises(LeakageError, match="content is also in training"):
        aft.train(data, STUDENT, out=tmp_path / "r", **PLAIN)


def test_numbered_class_folders_are_classes(tmp_path):
    from PIL import Image

    for n in range(25):
        (tmp_path / "p" / f"{n:03}").mkdir(parents=True)
        for m in range(5):
            Image.new("RGB", (8, 8), (n * 9, m * 40, n)).save(tmp_path / "p" / f"{n:03}" / f"{m}.png")
    run = aft.train(
        Dataset.from_folder(tmp_path / "p"),
        nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU()),
        out=tmp_path / "r",
        **PLAIN,
    )
    assert run.result.test.error_name == "error"
    assert (
        len(aft.load(run.path, student=nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU())).targets.classes)
        == 25
    )


def test_bad_pictures_are_skipped_by_training_too(pictures, tmp_path):
    (pictures / "red" / "03.png").write_bytes(b"nonsense")
    module = nn.Sequential(nn.Flatten(), nn.Linear(360, 4), nn.ReLU())
    data = Dataset.from_folder(pictures, bad_inputs="skip")
    run = aft.train(data, module, out=tmp_path / "r", **PLAIN)
    assert run.result.samples.labelled + run.result.samples.test == 39


def test_overwrite_repairs_what_is_damaged(dataset, tmp_path):
    store = aft.extract(dataset, "python:tests.conftest:bag_of_letters", name="t", out=tmp_path, progress=False)
    path = store.path / "shard-000000.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    store = aft.extract(
        dataset, "python:tests.conftest:bag_of_letters", name="t", out=tmp_path, overwrite=True, progress=False
    )
    FeatureStore.open(store.path).verify()
    run = aft.train(dataset, STUDENT, out=tmp_path / "r", **PLAIN)
    (run.path / "model.safetensors").write_bytes(b"nonsense")
    assert aft.train(dataset, STUDENT, out=tmp_path / "r", overwrite=True, **PLAIN).error == run.error
    (run.path / "config.json").write_text("{")
    assert aft.train(dataset, STUDENT, out=tmp_path / "r", overwrite=True, **PLAIN).error == run.error


def test_a_linear_student_learns_logits_and_no_features(tmp_path):
    values = np.random.default_rng(0).standard_normal((80, 3)).astype(np.float32)
    data = Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())
    teacher = aft.extract(data, nn.Identity(), name="same", out=tmp_path / "f", progress=False)
    with pytest.raises(UsageError, match="'aft' trains what computes .* nothing to train before its classifier"):
        aft.train(data, nn.Linear(3, 2), teacher, out=tmp_path / "a", method="aft", beta=1.0, **FAST)
    run = aft.train(data, nn.Linear(3, 2), teacher, out=tmp_path / "b", method="probe-kd", beta=1.0, **FAST)
    model = aft.load(run.path, student=nn.Linear(3, 2))
    assert model.student.size() == 8
    assert len(model(list(values))) == 80
    with pytest.raises(ModelError, match=r"Linear failed on \(1, 4\) float32"):
        model(np.zeros(4, np.float32))
