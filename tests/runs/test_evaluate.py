"""Metrics of a run on a dataset."""

import csv

import pytest

import aft
from aft.data import Dataset
from aft.errors import RunError, UsageError

STUDENT = "aft:static,width=8,hidden=8,vocabulary=200"
FAST = {"method": "finetune", "beta": 0.0, "steps": 5, "progress": False}


def test_evaluation_goes_by_content_and_says_what_was_trained_on(dataset, tmp_path, caplog):
    run = aft.train(dataset, STUDENT, out=tmp_path / "r", **FAST)
    inputs = [dataset.inputs[i] for i in range(len(dataset))]
    renamed = Dataset.from_arrays(inputs, dataset.labels, ids=[f"new{i}" for i in range(len(dataset))])
    assert aft.evaluate(run.path, renamed).samples == run.result.samples.test
    fresh = Dataset.from_arrays([t + " again" for t in inputs], dataset.labels, ids=dataset.ids)
    assert aft.evaluate(run.path, fresh).samples == 90
    aft.evaluate(run.path, dataset, on="validation")
    assert "do not tell how it does on new ones" in caplog.text
    with (run.path / "splits.csv").open() as file:
        assert {row["trained"] for row in csv.DictReader(file) if row["split"] == "test"} == {"no"}
    only = Dataset.from_arrays(["one film", "another film"], ["pos", "neg"], splits=["test", "test"])
    assert aft.evaluate(run.path, only).samples == 2
    assert aft.evaluate(run.path, dataset, on="all").samples == 90
    with pytest.raises(UsageError, match="did you mean 'test'"):
        aft.evaluate(run.path, dataset, on="tset")


def test_a_damaged_record_of_the_splits_is_rejected(dataset, tmp_path):
    """Otherwise training samples would count as test samples."""
    settings = {"method": "finetune", "beta": 0.0, "steps": 3, "progress": False}
    run = aft.train(dataset, "aft:static,width=8,hidden=8,vocabulary=200", out=tmp_path / "r", **settings)
    path = run.path / "splits.csv"
    whole = path.read_bytes()
    assert aft.evaluate(run.path, dataset).error == pytest.approx(run.error)
    for damaged in (b"", whole[: len(whole) // 2], whole[:-5], whole.replace(b",yes", b",no", 1), b"\xff" + whole):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match="is not what was written to it"):
            aft.evaluate(run.path, dataset)
