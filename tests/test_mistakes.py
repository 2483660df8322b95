"""Mistakes of a first day: each is answered by one sentence."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import AftError, UsageError
from tests.cli.test_cli import STUDENT, aft_command  # noqa: F401 - the fixture
from tests.conftest import sentences

FAST = {"method": "finetune", "beta": 0.0, "steps": 2, "progress": False}


def fails():
    """A factory that cannot make its module."""
    raise ValueError("no weights here")


@pytest.fixture
def run(dataset, tmp_path):
    return aft.train(dataset, STUDENT, out=tmp_path / "run", **FAST)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda d, o: aft.train("reviews.csv", STUDENT, out=o, **FAST),
            "samples come as an aft.Dataset; received str; read them",
        ),
        (lambda d, o: aft.train(d, nn.Linear, out=o, **FAST), "a student is a name, or a module; received <class"),
        (lambda d, o: aft.train(d, lambda: 3, out=o, **FAST), "or an instance of nn.Module"),
        (
            lambda d, o: aft.train(d, "python:tests.test_mistakes:fails", out=o, **FAST),
            r"\(ValueError: no weights here",
        ),
        (lambda d, o: aft.train(d, "python:math:sqrt", out=o, **FAST), "'math:sqrt' failed .TypeError"),
        (
            lambda d, o: aft.train(d, STUDENT, out=o, config={"steps": 3}),
            "config= is an aft.TrainConfig; received dict",
        ),
        (lambda d, o: aft.TrainConfig(beta=-1), "it should be 'auto' or greater than or equal to 0"),
        (lambda d, o: aft.TrainConfig(class_weights="balance"), "it should be 'balanced' or a valid dictionary"),
        (
            lambda d, o: aft.train(d, "aft:static,width=0", out=o, **FAST),
            "width is a whole number from 1 on; received '0'",
        ),
        (
            lambda d, o: aft.train(d, "aft:static,dropout=2", out=o, **FAST),
            "a number from 0 to less than 1; received '2'",
        ),
        (lambda d, o: aft.train(d, "aft:transformer,heads=0", out=o, **FAST), "heads is a whole number from 1 on"),
    ],
)
def test_arguments_of_other_kinds(dataset, tmp_path, call, message):
    with pytest.raises(AftError, match=message):
        call(dataset, tmp_path / "out")


def test_options_of_objectives(dataset, store, tmp_path):
    for options, message in (
        ({"tempreature": 4}, "'aft' received {'tempreature': 4}; known names: 'gates'"),
        ({"gate": "fixed"}, "did you mean 'gates'"),
    ):
        with pytest.raises(UsageError, match=message):
            aft.train(
                dataset,
                STUDENT,
                store,
                out=tmp_path / next(iter(options)),
                options=options,
                **{**FAST, "method": "aft", "beta": 1.0},
            )


def test_a_run_can_be_passed_as_its_path(run, dataset):
    assert aft.load(run)("a film").label in ("pos", "neg")
    assert aft.evaluate(run, dataset).samples


def test_what_changes_nothing_is_mentioned(dataset, store, tmp_path, caplog):
    aft.train(dataset, STUDENT, store, out=tmp_path / "r", **FAST)
    assert "method 'finetune' has no objective: features= and beta= change nothing" in caplog.text


def test_inputs_with_several_labels_are_counted(tmp_path, caplog):
    texts = [text for _, text, _ in sentences(60)]
    data = Dataset.from_arrays([*texts, *texts[:5]], ["pos", "neg"] * 30 + ["neg", "pos"] * 2 + ["neg"])
    aft.train(data, STUDENT, out=tmp_path / "r", **FAST)
    assert "5 inputs occur with different labels, which nothing can learn" in caplog.text


def test_a_class_of_one_sample_is_mentioned(tmp_path, caplog):
    labels = ["pos"] * 30 + ["neg"] * 29 + ["nge"]
    aft.train(Dataset.from_arrays([text for _, text, _ in sentences(60)], labels), STUDENT, out=tmp_path / "r", **FAST)
    assert "'nge' is a class of one sample, which cannot be both learned and tested" in caplog.text


def test_predictions_do_not_replace_their_inputs(aft_command, run, tmp_path):  # noqa: F811
    table = tmp_path / "new.csv"
    table.write_text("text\na film\n")
    status, _, err = aft_command("predict", run.path, table, "--text", "text", "--out", table, "--overwrite")
    assert status == 2
    assert "predictions have a file of their own" in err
    assert table.read_text() == "text\na film\n"


def write(path, content):
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, pa.Table):
        parquet.write_table(content, path)
    else:
        np.save(path, content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "ids", "message"),
    [
        ("v.parquet", pa.table({"id": ["a", "b"], "c0": [1.0, 2.0], "label": [0, 1]}), None, "has one named 'label', which would tell"),
        ("v.jsonl", "", None, "is empty; check the file"),
        ("v.npy", np.zeros(3), "a\nb\nc\n", r"received the shape \(3,\) of float64"),
        ("v.npy", np.zeros((3, 2)), "a\n\nc\n", "line 2 of .* is empty"),
        ("none.npy", None, "a\n", "there is no file"),
        ("v.npy", np.zeros((3, 2)), None, "ids are a file; there is no file"),
    ],
)  # fmt: skip
def test_imported_features(tmp_path, name, content, ids, message):
    file = tmp_path / name if content is None else write(tmp_path / name, content)
    listed = write(tmp_path / "ids.txt", ids) if ids else tmp_path / "none.txt" if name.endswith("npy") else None
    with pytest.raises(AftError, match=message):
        aft.import_features(file, ids=listed, name="x", out=tmp_path / "f")


def test_a_comparison_knows_how_many_trainings_it_needs(dataset, store):
    from aft.comparison import Study
    from aft.training import Problem, SearchSpace, TrainConfig

    problem = Problem.build(dataset, STUDENT, [store], TrainConfig())
    fixed = SearchSpace(1e-3, 0.01, 100, 100, fixed_lr=True, beta=1.0)
    assert Study("c", problem, ("aft", "kd"), 2, fixed).size() == 3 * 2
