"""What a reviewer found once, and must not come back."""

import csv

import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.data import Dataset, Targets
from aft.errors import DataError, LeakageError, NonFiniteError, RunError, UsageError
from aft.features import FeatureStore, import_features
from aft.models import load_backbone
from aft.objectives import ProbeKD
from aft.training._search import Trial, select
from tests.conftest import sentences

STUDENT = "aft:static,width=8,hidden=8,vocabulary=200"
FAST = {"method": "finetune", "beta": 0.0, "steps": 5, "progress": False}


def test_importing_again_with_other_ids_is_refused_or_replaces(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(3, 2))
    (tmp_path / "one.txt").write_text("a\nb\nc\n")
    (tmp_path / "two.txt").write_text("c\nb\na\n")
    common = {"name": "x", "out": tmp_path / "f"}
    import_features(tmp_path / "x.npy", ids=tmp_path / "one.txt", **common)
    with pytest.raises(aft.errors.FingerprintError, match="ids_sha256"):
        import_features(tmp_path / "x.npy", ids=tmp_path / "two.txt", **common)
    store = import_features(tmp_path / "x.npy", ids=tmp_path / "two.txt", overwrite=True, **common)
    assert store["c"].tolist() == [0.0, 1.0]
    (tmp_path / "bad.txt").write_text('"a" x\nb\nc\n')
    with pytest.raises(UsageError, match="JSON string"):
        import_features(tmp_path / "x.npy", ids=tmp_path / "bad.txt", name="y", out=tmp_path / "f")


def numbers(n=60):
    values = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    return Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())


def test_another_module_is_another_run(tmp_path):
    one = nn.Sequential(nn.Linear(3, 4))
    two = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4))
    aft.train(numbers(), one, out=tmp_path / "r", **FAST)
    with pytest.raises(RunError, match="initial_weights"):
        aft.train(numbers(), two, out=tmp_path / "r", **FAST)


class Scale:
    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return torch.from_numpy(x * self.by)


def test_preprocessing_with_other_values_is_another_fingerprint(tmp_path):
    aft.extract(numbers(), nn.Identity(), preprocess=Scale(1.0), name="t", out=tmp_path, progress=False)
    aft.extract(numbers(), nn.Identity(), preprocess=Scale(1.0), name="t", out=tmp_path, progress=False)
    with pytest.raises(aft.errors.FingerprintError, match=r"preprocessing\.preprocess"):
        aft.extract(numbers(), nn.Identity(), preprocess=Scale(100.0), name="t", out=tmp_path, progress=False)


def test_split_folders_never_become_classes(pictures):
    (pictures / "train").mkdir()
    for name in ("red", "blue"):
        (pictures / name).rename(pictures / "train" / name)
    stray = pictures / "train" / "red" / "00.png"
    stray.rename(pictures / "logo.png")
    with pytest.raises(DataError, match=r"'logo\.png'"):
        Dataset.from_folder(pictures)
    (pictures / "unlabelled").mkdir()
    (pictures / "logo.png").rename(pictures / "unlabelled" / "logo.png")
    dataset = Dataset.from_folder(pictures)
    assert set(dataset.labels) == {"red", "blue", None}
    assert set(dataset.splits) == {"train"}


def test_a_validation_part_that_shares_samples_with_the_test_part_is_refused(tmp_path):
    rows = sentences(40)
    texts = [t for _, t, _ in rows] + [t for _, t, _ in rows[-5:]]
    labels = [label for _, _, label in rows] + [label for _, _, label in rows[-5:]]
    splits = ["train"] * 35 + ["validation"] * 5 + ["test"] * 5
    data = Dataset.from_arrays(texts, labels, splits=splits)
    with pytest.raises(LeakageError, match="content is also in training"):
        aft.train(data, STUDENT, out=tmp_path / "r", **FAST)


def test_evaluation_goes_by_content_and_says_what_was_trained_on(dataset, tmp_path, caplog):
    run = aft.train(dataset, STUDENT, out=tmp_path / "r", **FAST)
    inputs = [dataset.inputs[i] for i in range(len(dataset))]
    renamed = Dataset.from_arrays(inputs, dataset.labels, ids=[f"new{i}" for i in range(len(dataset))])
    assert aft.evaluate(run.path, renamed).samples == run.result["samples"]["test"]
    fresh = Dataset.from_arrays([t + " again" for t in inputs], dataset.labels, ids=dataset.ids)
    assert aft.evaluate(run.path, fresh).samples == 90
    aft.evaluate(run.path, dataset, split="validation")
    assert "this is no measure of new ones" in caplog.text
    with (run.path / "splits.csv").open() as file:
        assert {row["trained"] for row in csv.DictReader(file) if row["split"] == "test"} == {"no"}
    only = Dataset.from_arrays(["one film", "another film"], ["pos", "neg"], splits=["test", "test"])
    assert aft.evaluate(run.path, only).samples == 2


def test_labels_that_are_arrays():
    values = np.zeros((4, 2), np.float32)
    assert Dataset.from_arrays(values, np.array([[0.5], [1.5], [2.5], [3.0]]), ids=list("abcd")).labels == [
        0.5,
        1.5,
        2.5,
        3.0,
    ]
    assert Dataset.from_arrays(values, np.array([[1, 0], [1, 1], [0, 0], [0, 1]]), ids=list("abcd")).labels == [
        ("0",),
        ("0", "1"),
        (),
        ("1",),
    ]
    with pytest.raises(DataError, match="0 or 1 a class"):
        Dataset.from_arrays(values, np.full((4, 2), 0.3), ids=list("abcd"))


def test_numbered_class_folders_are_classes(tmp_path):
    from PIL import Image

    for n in range(25):
        (tmp_path / "p" / f"{n:03}").mkdir(parents=True)
        for m in range(5):
            Image.new("RGB", (8, 8), (n * 9, m * 40, n)).save(tmp_path / "p" / f"{n:03}" / f"{m}.png")
    run = aft.train(
        Dataset.from_folder(tmp_path / "p"), nn.Sequential(nn.Flatten(), nn.Linear(192, 16)), out=tmp_path / "r", **FAST
    )
    assert run.result["test"]["error_name"] == "error"
    assert len(aft.load(run.path, student=nn.Sequential(nn.Flatten(), nn.Linear(192, 16))).targets.classes) == 25


def test_bad_pictures_are_skipped_by_training_too(pictures, tmp_path):
    (pictures / "red" / "03.png").write_bytes(b"nonsense")
    module = nn.Sequential(nn.Flatten(), nn.Linear(360, 4))
    data = Dataset.from_folder(pictures, bad_inputs="skip")
    run = aft.train(data, module, out=tmp_path / "r", **FAST)
    assert run.result["samples"]["labelled"] + run.result["samples"]["test"] == 39


@pytest.mark.parametrize(
    ("name", "role", "message"),
    [
        ("st:x", "student", "load the same folder with hf:"),
        ("aft:static,layers=2", "student", "has no option 'layers'"),
        ("timm:resnet10t,weights=random,pooling=max", "teacher", "without a layer"),
        ("st:x,layer=1", "teacher", "has no option 'layer'"),
    ],
)
def test_options_that_would_be_ignored_are_refused(name, role, message):
    with pytest.raises(UsageError, match=message):
        load_backbone(name, role=role, texts=lambda: ["a text"] * 3)


def test_a_search_whose_every_trial_diverges_says_so():
    inf = float("inf")
    with pytest.raises(NonFiniteError, match="lower --lr"):
        select(
            lambda f, b, s, _: Trial(f, b, s, inf, inf, inf, 1.0, True),
            forms=("raw",),
            usual_steps=9,
            steps=None,
            with_objective=True,
        )


def test_a_probe_knows_classes_that_its_samples_lack():
    objective = ProbeKD({"t": 4}, 2, outputs=3)
    objective.prepare({"t": torch.randn(30, 4)}, targets=torch.randint(0, 2, (30,)))
    assert objective.predictions(torch.randn(5, 4)).shape == (5, 3)


def test_extraction_leaves_the_callers_module_alone(tmp_path):
    module = nn.Linear(3, 4).train()
    for name in ("one", "two"):
        aft.extract(numbers(), module, name=name, out=tmp_path, precision="bf16", progress=False)
    assert module.weight.dtype == torch.float32
    assert module.training


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
    run = aft.train(dataset, STUDENT, out=tmp_path / "r", **FAST)
    (run.path / "model.safetensors").write_bytes(b"nonsense")
    assert aft.train(dataset, STUDENT, out=tmp_path / "r", overwrite=True, **FAST).error == run.error
    (run.path / "config.json").write_text("{")
    assert aft.train(dataset, STUDENT, out=tmp_path / "r", overwrite=True, **FAST).error == run.error


def test_an_inferred_task_is_kept():
    assert Targets.infer(["001", "002"], "classification").classes == ("001", "002")
