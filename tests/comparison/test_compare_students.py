"""Comparisons of several students, from the call to the page."""

import pytest
from typer.testing import CliRunner

import aft
from aft.cli import app
from aft.errors import UsageError

SMALL, LARGE = "aft:static,width=4,hidden=4,vocabulary=200", "aft:static,width=32,hidden=32,vocabulary=200"
SETTINGS = {"methods": ["kd"], "seeds": 1, "steps": 5, "batch_size": 16, "beta": 1.0, "processes": 1, "progress": False}


def test_each_student_has_its_comparison_and_all_are_in_one_table(dataset, store, tmp_path):
    found = aft.compare_students(dataset, [SMALL, LARGE, SMALL], store, out=tmp_path / "s", **SETTINGS)
    assert [one.result.student.name for one in found.comparisons.values()] == [SMALL, LARGE]
    assert {(one.student, one.method) for one in found.candidates} == {
        *((student, method) for student in (SMALL, LARGE) for method in ("finetune", "kd")),
        ("TF-IDF", None), ("TF-IDF, distilled", None),
    }  # fmt: skip
    assert all(one.latency_ms and one.bytes for one in found.candidates)
    assert str(aft.pareto(tmp_path / "s")) == str(found)
    assert found.conclusion in aft.report(tmp_path / "s").read_text().replace("&#39;", "'")
    journals = {path: path.read_bytes() for path in (tmp_path / "s").glob("*/trainings.jsonl")}
    again = aft.compare_students(dataset, [SMALL, LARGE], store, out=tmp_path / "s", **SETTINGS)
    assert {path: path.read_bytes() for path in journals} == journals
    assert again.probe == found.probe
    assert {(one.name, one.error) for one in again.candidates} == {(one.name, one.error) for one in found.candidates}


def test_the_command_compares_several_students(reviews, store, tmp_path):
    result = CliRunner().invoke(
        app,
        ["compare", str(reviews), "--text", "sentence", "--id", "id", "--label", "label", "--features", str(store.path),
         "--student", SMALL, "--student", LARGE, "--methods", "kd", "--seeds", "1", "--steps", "5", "--beta", "1",
         "--processes", "1", "--out", str(tmp_path / "s")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert aft.pareto(tmp_path / "s").conclusion in result.output
    assert (tmp_path / "s" / SMALL.replace(":", "-") / "comparison.json").exists()


def test_students_of_equal_short_names_have_their_own_directories():
    from aft.comparison._compare_students import _directories

    names = ["hf:/a/model", "hf:/b/model", "hf:/b/model,keep_layers=2", "python:m:f"]
    assert _directories(names) == {
        "hf-model": names[0], "hf-model~2": names[1], "hf-model,keep_layers=2": names[2], "python-m-f": names[3],
    }  # fmt: skip


def test_students_are_named(dataset, store, tmp_path):
    import torch

    for students in ("aft:static", [], [torch.nn.Linear(2, 2)]):
        with pytest.raises(UsageError, match="students= is a list of names"):
            aft.compare_students(dataset, students, store, out=tmp_path, **SETTINGS)
