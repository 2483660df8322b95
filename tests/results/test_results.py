import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from aft.errors import RunError, UsageError
from aft.results import (
    COMPARISON_FILE,
    Baseline,
    Comparison,
    ComparisonResult,
    Cost,
    Curve,
    Difference,
    Environment,
    Gates,
    MethodResult,
    Reference,
    Student,
    Task,
    Teacher,
    Trial,
    read_all,
)
from tests.reporting.comparisons import HOSTILE, make_comparison, write


def full_result():
    """A result in which every field of every model is set."""
    return ComparisonResult(
        aft="0.1.0",
        task=Task(
            kind="classification",
            error_name="error",
            classes=["neg", "pos"],
            samples={"labelled": 10, "unlabelled": 5, "validation": 3, "test": 8},
            source={"kind": "table", "path": "reviews.csv", "columns": ["text", {"id": 1}], "share": 0.5, "split": None},
        ),
        student=Student(name="aft:static", parameters=1000, bytes=4000, latency_ms=0.5, throughput=2000.0),
        teachers=[Teacher(name="mpnet", dim=768, model="hf:mpnet", probe_error=0.15, logme=0.2)],
        seeds=range(2),
        methods=[
            MethodResult(method="finetune", errors=[0.375, 0.25], mean=0.3125, spread=0.09, normalised=1.0, beta=0.0),
            MethodResult(
                method="aft",
                weighting="balanced",
                beta=1.0,
                steps=300,
                lr=0.004,
                weight_decay=0.01,
                errors=[0.25, 0.25],
                mean=0.25,
                spread=0.0,
                low=0.2,
                high=0.3,
                balanced_error=0.26,
                normalised=0.8,
                normalised_low=0.7,
                normalised_high=0.9,
                gap_closed=0.4,
                difference=Difference(mean=-0.0625, low=-0.1, high=-0.01, noise=False),
                same_as_finetune=False,
                search_seconds=80.0,
                train_seconds=12.0,
                metrics={"accuracy": 0.75, "log_loss": 0.6},
                confusion=[[7, 1], [2, 6]],
                curve=[Curve(seed=0, step=[0, 10], task_loss=[0.7, 0.5], objective=[0.9, 0.8])],
                gates={"mpnet": Gates(mean=0.6, histogram=[3, 5], strongest=[(7, 0.9)])},
                trials=[
                    Trial(weighting="fixed", beta=3.0, steps=300, lr=0.004, weight_decay=0.01, loss=None, seconds=4.0, stopped=True),
                    Trial(weighting="balanced", beta=1.0, steps=300, lr=0.004, weight_decay=0.01, loss=0.5, error=0.2, seconds=5.0),
                ],
            ),
        ],
        probe=Reference(error=0.15, low=0.1, high=0.2, balanced_error=0.16),
        majority=Reference(error=0.5, low=0.4, high=0.6, balanced_error=0.5),
        baselines=[Baseline(name="TF-IDF", what="words", error=0.4, low=0.3, high=0.5, balanced_error=0.41, bytes=10, latency_ms=0.1, throughput=9.0, seconds=2.0)],
        conclusions=["aft lowers the error by 6.2 points against fine-tuning."],
        cost=Cost(seconds=200.0, wall_seconds=110.0, extraction_seconds=50.0),
        environment=Environment(python="3.11.2", torch="2.9", platform="Linux", threads=1, processes=2),
    )  # fmt: skip


def test_writing_and_reading_is_the_identity(tmp_path):
    result = full_result()
    result.write(tmp_path / COMPARISON_FILE)
    read = ComparisonResult.read(tmp_path / COMPARISON_FILE)
    assert read == result
    first = (tmp_path / COMPARISON_FILE).read_bytes()
    read.write(tmp_path / COMPARISON_FILE)
    assert (tmp_path / COMPARISON_FILE).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [COMPARISON_FILE]


def test_full_result_sets_every_field():
    """Otherwise the test of the identity would miss fields that are added later."""
    missing, seen = [], set()

    def visit(value, path):
        if isinstance(value, BaseModel):
            seen.add(type(value))
            for name, item in value:
                if name not in value.model_fields_set and name != "format":
                    missing.append((*path, name))
                visit(item, (*path, name))
        elif isinstance(value, tuple | dict):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                visit(item, (*path, key))

    visit(full_result(), ())
    # Fine-tuning and the trials lack some on purpose.
    assert [path for path in missing if path[:2] != ("methods", 0) and "trials" not in path] == []
    assert seen == {
        Baseline, ComparisonResult, Cost, Curve, Difference, Environment, Gates, MethodResult, Reference, Student, Task, Teacher, Trial,
    }  # fmt: skip


def test_names_in_the_document(tmp_path):
    full_result().write(tmp_path / COMPARISON_FILE)
    document = json.loads((tmp_path / COMPARISON_FILE).read_text())
    assert list(document) == [
        "format", "aft", "task", "student", "teachers", "seeds", "methods", "probe", "majority", "baselines", "conclusions", "cost", "environment",
    ]  # fmt: skip
    assert document["format"] == 1
    aft = document["methods"][1]
    assert list(aft)[:6] == ["method", "weighting", "beta", "steps", "lr", "weight_decay"]
    assert list(aft["trials"][0]) == [
        "weighting", "beta", "steps", "lr", "weight_decay", "loss", "error", "seconds", "stopped", "pooled_loss",
    ]  # fmt: skip
    assert document["methods"][0]["weighting"] is None
    # Counts are written as integers.
    text = (tmp_path / COMPARISON_FILE).read_text()
    assert json.dumps(aft["confusion"]) == "[[7, 1], [2, 6]]"
    assert "3.0" in text
    assert json.dumps(aft["gates"]["mpnet"]["histogram"]) == "[3, 5]"


@pytest.mark.parametrize("seed", range(3))
def test_invented_documents_survive_a_round_trip(tmp_path, seed):
    kind = ("classification", "multilabel", "regression")[seed]
    document = make_comparison(kind, seed=seed)
    first = ComparisonResult.read(write(tmp_path, document) / COMPARISON_FILE)
    first.write(tmp_path / COMPARISON_FILE)
    assert ComparisonResult.read(tmp_path / COMPARISON_FILE) == first
    written = json.loads((tmp_path / COMPARISON_FILE).read_text())
    written["methods"] = [result | {"gates": result["gates"] or None} for result in written["methods"]]
    assert written == document


def test_what_could_not_be_measured_is_missing(tmp_path):
    """A diverged seed must not make the result of all the others impossible to write or to read."""
    result = ComparisonResult(
        task=Task(kind="regression", source={"share": math.nan}),
        student=Student(name="s", throughput=math.inf),
        methods=[
            MethodResult(
                method="aft",
                errors=[math.nan, 0.5, math.inf, 1e35],
                mean=math.nan,
                difference=Difference(mean=math.nan, low=-math.inf, high=math.inf),
                metrics={"rmse": math.nan, "r2": 0.5},
                curve=[Curve(seed=0, step=[0, 10], task_loss=[1.0, math.inf])],
            )
        ],
    )
    method = result.methods[0]
    assert method.errors == (0.5,)
    assert method.error == 0.5
    assert method.difference == Difference()
    assert method.metrics == {"rmse": None, "r2": 0.5}
    assert method.curve[0].points == [(0, 1.0)]
    result.write(tmp_path / COMPARISON_FILE)
    assert ComparisonResult.read(tmp_path / COMPARISON_FILE) == result
    assert "NaN" not in (tmp_path / COMPARISON_FILE).read_text()
    assert str(Comparison(tmp_path, result)).count("\n") == 1


def test_text_of_any_kind_survives_a_round_trip(tmp_path):
    """Lone surrogates, which paths that are not UTF-8 have, are the exception: no text file can hold them."""
    classes = [*HOSTILE, "\ud83d\ude00 lone halves"]
    result = ComparisonResult(
        task=Task(kind="classification", classes=classes, source={name: name for name in HOSTILE}),
        methods=[MethodResult(method=name, metrics={name: 1.0}, gates={name: Gates()}) for name in HOSTILE],
        conclusions=HOSTILE,
    )
    result.write(tmp_path / COMPARISON_FILE)
    assert ComparisonResult.read(tmp_path / COMPARISON_FILE) == result
    expected = [name.replace("\ud800", "‹U+D800›") for name in HOSTILE]
    assert list(result.conclusions) == expected
    assert list(result.task.source) == expected
    assert [method.method for method in result.methods] == expected


def test_writer_errors_are_caught():
    with pytest.raises(ValueError, match="as many columns as rows"):
        MethodResult(method="aft", confusion=[[1, 2]])
    with pytest.raises(ValueError, match="'fixed' or 'balanced'"):
        MethodResult(method="aft", weighting="raw")
    with pytest.raises(ValueError, match="frozen"):
        full_result().methods[0].mean = 0.0


def test_best_and_fine_tuning():
    result = full_result()
    assert result.finetune is result.methods[0]
    assert result.best is result.methods[1]
    assert [result.methods[1].chose(trial) for trial in result.methods[1].trials] == [False, True]
    alone = ComparisonResult(task=Task(kind="regression"), methods=[MethodResult(method="aft")])
    assert alone.finetune is None
    assert alone.best is None


def test_opening_a_comparison(tmp_path):
    result = full_result()
    result.write(tmp_path / COMPARISON_FILE)
    comparison = Comparison.open(str(tmp_path))
    assert comparison == Comparison(tmp_path, result)
    assert comparison.path == tmp_path
    assert [method.method for method in comparison.methods] == ["finetune", "aft"]
    assert comparison.conclusions == ("aft lowers the error by 6.2 points against fine-tuning.",)
    assert repr(comparison) == f"Comparison(path={tmp_path!r})"


def test_opening_an_unfinished_comparison(tmp_path):
    with pytest.raises(
        RunError, match=r"a finished comparison holds comparison\.json; there is none in .*; run aft compare"
    ):
        Comparison.open(tmp_path / "missing")


def test_table(tmp_path):
    assert str(Comparison(tmp_path, full_result())) == "\n".join(
        [
            "2 seeds, rough            error normalised gap closed                  vs fine-tuning  beta",
            "majority                 50.0 %",
            "probe                    15.0 %",
            "TF-IDF                   40.0 %      1.280                      0.1 ms a sample, 10 B",
            "finetune           31.2 % ± 9.0      1.000          -                                  -",
            "aft                25.0 % ± 0.0      0.800       40 %      -6.2 (-10.0 to -1.0)        1 (balanced)",
        ]
    )


def test_table_of_unequal_classes(tmp_path):
    result = full_result()
    unequal = result.model_copy(
        update={
            "majority": Reference(error=0.2, balanced_error=0.5),
            "probe": Reference(error=0.15, balanced_error=0.25),
            "methods": tuple(method.model_copy(update={"balanced_error": 0.4}) for method in result.methods),
        }
    )
    assert not result.unequal_classes
    assert unequal.unequal_classes
    # The class that is most frequent in training may be the rarer one in testing.
    assert unequal.model_copy(update={"majority": Reference(error=0.75, balanced_error=0.5)}).unequal_classes
    assert str(Comparison(tmp_path, unequal)) == "\n".join(
        [
            "2 seeds, rough            error   balanced gap closed                  vs fine-tuning  beta",
            "majority                 20.0 %     50.0 %",
            "probe                    15.0 %     25.0 %",
            "TF-IDF                   40.0 %     41.0 %                      0.1 ms a sample, 10 B",
            "finetune           31.2 % ± 9.0     40.0 %          -                                  -",
            "aft                25.0 % ± 0.0     40.0 %       40 %      -6.2 (-10.0 to -1.0)        1 (balanced)",
        ]
    )


def test_table_of_a_regression(tmp_path):
    methods = [
        MethodResult(method="finetune", mean=2.5, spread=0.25, normalised=1.0, beta=0.0),
        MethodResult(method="kd", mean=2.5, spread=0.25, normalised=1.0, beta=0.0, same_as_finetune=True),
        MethodResult(
            method="aft", mean=2.4, spread=0.1, normalised=0.96, weighting="fixed", beta=10.0,
            difference=Difference(mean=-0.1, low=-0.3, high=0.1, noise=True),
        ),
    ]  # fmt: skip
    result = ComparisonResult(task=Task(kind="regression"), methods=methods, majority=Reference(error=4.0))
    assert str(Comparison(tmp_path, result)) == "\n".join(
        [
            "                          error normalised gap closed                  vs fine-tuning  beta",
            "majority                  4.000",
            "finetune          2.500 ± 0.250      1.000          -                                  -",
            "kd                2.500 ± 0.250      1.000          -                        the same  -",
            "aft               2.400 ± 0.100      0.960          - -0.100 (-0.300 to +0.100) noise  10 (fixed)",
        ]
    )


def test_table_shows_what_is_unknown_and_no_control_characters(tmp_path):
    result = ComparisonResult(task=Task(kind="classification"), methods=[MethodResult(method="bell\x07")])
    assert str(Comparison(tmp_path, result)).splitlines()[1].split() == ["bell\\x07", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "must state its format"),
        (b"{}", "must state its format"),
        (b'{"format": 2}', "has format '2'"),
        (b'{"format": null}', "has format 'None'"),
        (b'{"format": 1, "methods": []}', "has none"),
        (b'{"format": 1}', "must match the schema"),
        (b'{"format": 1, "task": {"kind": "ranking"}, "methods": [{"method": "a"}]}', "'task.kind'"),
        (b'{"format": 1, "task": {"kind": "regression"}, "methods": {"method": "a"}}', "'methods'"),
        (b'{"format": 1, "task": {"kind": "regression"}, "methods": [{}]}', "'methods.0.method'"),
        (b'{"format": 1, "task": {"kind": "regression"}, "methods": [{"method": "a", "steps": -1}]}', "steps"),
        (b'{"format": 1, "task": {"kind": "regression"}, "methods": [{"method": "a", "confusion": [[1, 2]]}]}', "as many columns as rows"),
        (b'{"format": 1, "task": {"kind": "regression", "source": {"a": ' + b"[" * 100 + b"]" * 100 + b'}}, "methods": [{"method": "a"}]}', "levels deep"),
    ],
)  # fmt: skip
def test_documents_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / COMPARISON_FILE
    path.write_bytes(content)
    for read in (lambda: ComparisonResult.read(path), lambda: Comparison.open(tmp_path), lambda: read_all(tmp_path)):
        with pytest.raises(RunError, match=message) as caught:
            read()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_file_cannot_be_read(tmp_path):
    with pytest.raises(RunError, match="No such file"):
        ComparisonResult.read(tmp_path / COMPARISON_FILE)


def test_null_is_absent_and_unknown_keys_are_ignored(tmp_path):
    plain = {"format": 1, "task": {"kind": "classification"}, "methods": [{"method": "aft"}]}
    expected = ComparisonResult.read(write(tmp_path, plain) / COMPARISON_FILE)
    fields = ("mean", "errors", "difference", "metrics", "gates", "curve", "trials", "weighting", "same_as_finetune")
    document = {
        "format": 1, "later": {"x": 1}, "student": None, "probe": None, "cost": None, "seeds": None, "aft": None,
        "task": {"kind": "classification", "classes": None, "later": [1]},
        "methods": [{"method": "aft", "later": 1} | dict.fromkeys(fields)],
    }  # fmt: skip
    assert ComparisonResult.read(write(tmp_path, document) / COMPARISON_FILE) == expected


def test_unknown_descriptions_are_ignored_on_reading(tmp_path):
    document = make_comparison(methods=("aft", "finetune"))
    document["methods"][0]["weighting"] = document["methods"][0]["trials"][0]["weighting"] = "adaptive"
    document["environment"] |= {"threads": "many", "python": [3, 14]}
    result = ComparisonResult.read(write(tmp_path, document) / COMPARISON_FILE)
    assert result.methods[0].weighting is None
    assert result.methods[0].trials[0].weighting is None
    assert result.environment == Environment(torch="2.9", platform="Linux-6.1-x86_64", processes=2)


def test_reading_a_directory_of_comparisons(tmp_path):
    for name in ("b", "a"):
        write(tmp_path / name, make_comparison())
    (tmp_path / "notes").mkdir()
    found = read_all(tmp_path)
    assert list(found) == ["a", "b"]
    assert list(read_all(tmp_path / "a")) == ["a"]
    assert found["a"] == ComparisonResult.read(tmp_path / "a" / COMPARISON_FILE)
    with pytest.raises(UsageError, match="a report needs a finished comparison"):
        read_all(tmp_path / "notes")
    with pytest.raises(UsageError, match="check the path"):
        read_all(tmp_path / "missing")


def test_links_to_directories_of_the_same_name_are_all_read(tmp_path):
    for name in ("x", "y"):
        write(tmp_path / name / "run", make_comparison())
        (tmp_path / "all").mkdir(exist_ok=True)
        (tmp_path / "all" / name).symlink_to(tmp_path / name / "run")
    assert list(read_all(tmp_path / "all")) == ["x", "y"]


def test_package_is_light():
    heavy = ("torch", "lightning", "sklearn", "numpy", "jinja2", "matplotlib")
    code = f"import sys, aft.results; found = set({heavy!r}) & set(sys.modules); sys.exit(f'imported {{found}}' if found else 0)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert process.returncode == 0, process.stderr
