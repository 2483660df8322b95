"""A finished run on disk: its documents, its weights, and what is refused."""

import csv
import json
from typing import get_type_hints

import pytest

import aft
from aft.errors import RunError, UsageError
from aft.runs import HParams, Run, RunConfig, RunLayout, RunResult, TrainConfig, TrainSettings, gate_weights

STUDENT = "aft:static,width=8,hidden=8,vocabulary=200"
FAST = {"method": "finetune", "beta": 0.0, "steps": 5, "progress": False}


@pytest.fixture
def run(dataset, tmp_path):
    return aft.train(dataset, STUDENT, out=tmp_path / "run", **FAST)


def test_damaged_weights_are_refused(run, tmp_path):
    path = RunLayout(run.path).weights
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 4
    path.write_bytes(raw)
    with pytest.raises(RunError, match=r"model\.safetensors"):
        aft.load(run.path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="make one with aft train"):
        aft.load(tmp_path / "empty")


def test_splits_and_columns_are_recorded(run, dataset):
    with (run.path / "splits.csv").open() as file:
        splits = {row["id"]: row["split"] for row in csv.DictReader(file)}
    assert set(splits) == set(dataset.ids)
    assert json.loads((run.path / "config.json").read_text())["data"]["columns"]["text"] == "sentence"
    assert isinstance(Run.open(run.path), Run)


def test_documents_are_written_and_read_by_the_same_model(run):
    layout = RunLayout(run.path)
    for model, path in ((RunConfig, layout.config), (RunResult, layout.result)):
        before = path.read_bytes()
        model.read(path).write(path)
        assert path.read_bytes() == before
    assert RunConfig.read(layout.config).differences(RunConfig.read(layout.config)) == []
    layout.result.write_text('{"format": 9}')
    with pytest.raises(RunError, match="upgrade aft"):
        Run.open(run.path)
    layout.result.write_text('{"format": 1}')
    with pytest.raises(RunError, match="is not what was written to it"):
        Run.open(run.path)


def test_differences_name_each_setting_and_not_where_things_are(run):
    config = RunConfig.read(RunLayout(run.path).config)
    moved = config.model_copy(
        update={
            "settings": config.settings.replace(device="cuda", workers=3),
            "data": config.data.model_copy(update={"path": "elsewhere.csv"}),
        }
    )
    assert config.differences(moved) == []
    other = config.model_copy(update={"settings": config.settings.replace(steps=6, seed=1)})
    assert config.differences(other) == ["steps 6 instead of 5", "seed 1 instead of 0"]
    assert config.differences(other, ignore=frozenset({"seed"})) == ["steps 6 instead of 5"]


def test_keyword_arguments_and_config_have_the_same_fields():
    assert set(get_type_hints(TrainSettings)) == set(TrainConfig.model_fields)


def test_settings_are_checked_whichever_way_they_come(dataset, tmp_path):
    with pytest.raises(UsageError, match="unknown setting 'betta'; did you mean 'beta'"):
        TrainConfig(betta=1.0)
    with pytest.raises(UsageError, match="label_smoothing= does not take that value"):
        TrainConfig(label_smoothing=2.0)
    config = TrainConfig(**{key: value for key, value in FAST.items() if key != "progress"})
    run = aft.train(dataset, STUDENT, out=tmp_path / "r", config=config, steps=7, progress=False)
    assert run.steps == 7  # a keyword argument overrides the config


def test_hyperparameters_have_one_spelling():
    assert HParams(1e-3, 5, 0.0, "balanced", 0.0) == HParams(1e-3, 5, 0.0)
    assert HParams(1e-3, 5, 0.0, None, 2).weighting == "fixed"
    assert HParams(1e-3, 5, 0.0, None, 2).settings() == "beta=2 weighting=fixed lr=0.001 weight_decay=0 steps=5"
    assert HParams(1e-3, 5, 0.0).settings() == "beta=0 lr=0.001 weight_decay=0 steps=5"


def test_what_a_killed_process_was_writing_does_not_block_a_directory(dataset, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".writing-1-abcd-config.json").write_text("{")
    run = aft.train(dataset, STUDENT, out=tmp_path / "run", **FAST)
    leftover = run.path / ".writing-1-abcd-model.safetensors"
    leftover.write_text("half a model")
    aft.train(dataset, STUDENT, out=tmp_path / "run", **FAST)
    assert not list(run.path.glob(".writing-*"))
    (tmp_path / "mine").mkdir()
    for name in ("thesis.txt", ".writing-thesis"):
        (tmp_path / "mine" / name).write_text("precious")
    with pytest.raises(RunError, match=r"thesis\.txt"):
        aft.train(dataset, STUDENT, out=tmp_path / "mine", **FAST)
    assert len(list((tmp_path / "mine").iterdir())) == 2


def test_text_that_is_not_utf8_comes_back(dataset, tmp_path):
    odd = [label and label + "\udcff" for label in dataset.labels]
    data = aft.Dataset.from_arrays([dataset.inputs[n] for n in range(len(dataset))], odd, ids=dataset.ids)
    run = aft.train(data, STUDENT, out=tmp_path / "run", **FAST)
    assert aft.load(run.path).targets.classes == ("neg\udcff", "pos\udcff")


def test_damaged_gates_are_one_sentence(dataset, store, tmp_path):
    run = aft.train(dataset, STUDENT, store, out=tmp_path / "run", **{**FAST, "method": "aft", "beta": 1.0})
    RunLayout(run.path).objective.write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"objective\.safetensors"):
        gate_weights(run.path)
