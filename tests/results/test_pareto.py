"""The smallest student that is good enough."""

import pytest
from typer.testing import CliRunner

import aft
from aft.cli import app
from aft.errors import UsageError
from aft.results import ComparisonResult
from tests.reporting.comparisons import STUDENTS, make_comparison, write, write_students

LARGE, SMALL = "hf:/models/all-MiniLM-L6-v2", "hf:/models/all-MiniLM-L6-v2,keep_layers=2,vocabulary=8000"


def student(name, error, latency=1.0, size=1000, *, losses=(), methods=("finetune", "aft")):
    """A comparison in which every method has the same error but for a tenth of a point each."""
    document = make_comparison(methods=methods, seeds=1, probe=0.10)
    document["student"] |= {"name": name, "latency_ms": latency, "bytes": size}
    document["baselines"] = []
    for n, method in enumerate(document["methods"]):
        method |= {"mean": error + 0.001 * n, "errors": [error + 0.001 * n]}
        loss = dict(zip(methods, losses, strict=False)).get(method["method"])
        chosen = {name: method[name] for name in ("weighting", "beta", "steps", "lr", "weight_decay")}
        method["trials"] = [] if loss is None else [chosen | {"loss": loss, "error": error, "seconds": 1.0}]
    return document


def write_all(directory, *documents):
    for n, document in enumerate(documents):
        write(directory / str(n), document)
    return aft.pareto(directory, 0.02)


def test_the_smallest_student_that_is_good_enough_is_named(tmp_path):
    write_students(tmp_path)
    found = aft.pareto(tmp_path, within=0.045)
    assert found.probe == 0.152
    assert set(found.comparisons) == {"student0", "student1", "student2", "student3"}
    assert {one.student for one in found.candidates} == {*STUDENTS, "TF-IDF"}
    assert found.answer.student == SMALL
    assert found.conclusion.startswith(
        "The smallest student within 4.5 points of the teachers' probe (15.2 %) is "
        "hf:all-MiniLM-L6-v2,keep_layers=2,vocabulary=8000 with "
    )
    assert found.conclusion.endswith("2.9 ms a sample, 20.0 MB.")
    assert aft.pareto(tmp_path, within=0.0).conclusion.startswith("No student comes within 0.0 points")


def test_size_decides_among_those_that_are_good_enough(tmp_path):
    found = write_all(
        tmp_path, student("big", 0.10, size=9000), student("small", 0.119, size=10), student("bad", 0.3, size=1)
    )
    assert found.answer.student == "small"


def test_the_method_is_that_of_the_lowest_validation_loss_not_of_the_lowest_test_error(tmp_path):
    found = write_all(tmp_path, student("one", 0.11, losses=(0.5, 0.4)), student("two", 0.3))
    assert (found.answer.name, found.answer.error) == ("one with aft", pytest.approx(0.111))
    without_search = write_all(tmp_path / "x", student("one", 0.11), student("two", 0.3))
    assert without_search.answer.method == "aft"
    plain = write_all(tmp_path / "y", student("one", 0.11, losses=(0.3, 0.4)), student("two", 0.3))
    assert plain.answer.method == "finetune"


def test_a_candidate_is_efficient_if_none_is_better_everywhere(tmp_path):
    found = write_all(
        tmp_path, student("fast", 0.3, 0.1, 10), student("slow", 0.2, 2.0, 20), student("useless", 0.25, 3.0, 30),
        student("tiny", 0.4, 5.0, 1),
    )  # fmt: skip
    assert {one.name for one in found.candidates if one.efficient} == {
        "fast with finetune", "slow with finetune", "tiny with finetune",
    }  # fmt: skip
    assert [one.student for one in found.candidates][::2] == ["fast", "slow", "useless", "tiny"]


def test_a_baseline_may_be_the_answer(tmp_path):
    document = student("one", 0.11, size=10**6)
    document["baselines"] = [{"name": "TF-IDF", "what": "", "error": 0.105, "bytes": 10, "latency_ms": 0.1}]
    found = write_all(tmp_path, document, student("two", 0.3))
    assert found.conclusion == (
        "The smallest model within 2.0 points of the teachers' probe (10.0 %) is TF-IDF, which needs no student: 10.5 %, "
        "0.1 ms a sample, 10 B."
    )


def test_unknown_latency_and_probe_are_said(tmp_path):
    document = student("one", 0.11, latency=None)
    document["probe"] = {}
    found = write_all(tmp_path, document, {**student("two", 0.3), "probe": {}})
    assert found.answer is None
    assert found.conclusion == "The teachers' probe was not measured, so there is no error to come near."
    assert str(found).splitlines()[1].split()[1:3] == ["two", "finetune"]
    assert not any(one.efficient for one in found.candidates if one.student == "one")


def test_regression_has_its_own_unit(tmp_path):
    write_students(tmp_path, {"a": (1.0, 10, 2150.0), "b": (2.0, 20, 1900.0)}, kind="regression", probe=1800.0)
    found = aft.pareto(tmp_path)
    assert found.within == pytest.approx(180.0)
    assert "within 180 of the teachers' probe (1800.000)" in found.conclusion


def test_the_command_takes_points(tmp_path):
    write_students(tmp_path)
    result = CliRunner().invoke(app, ["pareto", str(tmp_path), "--within", "4"])
    assert result.exit_code == 0, result.output
    assert aft.pareto(tmp_path, 0.04).conclusion in result.output
    assert max(map(len, str(aft.pareto(tmp_path)).splitlines())) <= 100


def test_comparisons_of_several_tasks_are_rejected(tmp_path):
    write(tmp_path / "a", make_comparison())
    write(tmp_path / "b", make_comparison(path="other.csv"))
    with pytest.raises(UsageError, match=r"students are compared on one task; .* are of several \('a', 'b'\)"):
        aft.pareto(tmp_path)
    with pytest.raises(UsageError, match="within= is a distance"):
        aft.pareto(tmp_path, within=-1.0)


def test_a_single_comparison_is_enough(tmp_path):
    write(tmp_path, make_comparison())
    assert aft.pareto(tmp_path).comparisons[tmp_path.name].path == tmp_path
    assert isinstance(aft.pareto(tmp_path).comparisons[tmp_path.name].result, ComparisonResult)
