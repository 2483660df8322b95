import csv
import io
import json
import logging
import subprocess
import sys

import pytest
import yaml

import aft
from aft.cli import main
from tests.conftest import sentences

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200"
TEACHER = "letters=python:tests.conftest:bag_of_letters"


@pytest.fixture
def aft_command(monkeypatch, capsys):
    """Run a command in this process: (status, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["aft", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
        finally:
            logging.getLogger("aft").handlers.clear()
            logging.getLogger("aft").propagate = True
            logging.getLogger("aft").setLevel(logging.NOTSET)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_csv_goes_all_the_way(aft_command, reviews, tmp_path):
    out = tmp_path / "features"
    status, out_text, _ = aft_command(
        "extract", reviews, "--text", "sentence", "--id", "id", "--teacher", TEACHER, "--out", out, "--dry-run"
    )
    assert (status, out.exists()) == (0, False)
    assert "letters: 120 of 120 samples" in out_text
    status, out_text, err = aft_command(
        "extract", reviews, "--text", "sentence", "--id", "id", "--teacher", TEACHER, "--out", out
    )
    assert (status, out_text.strip()) == (0, str(out / "letters"))
    assert "120 samples x 26" in err
    status, out_text, err = aft_command("inspect", out / "letters", "--verify")
    assert status == 0
    assert "every byte is as written" in out_text
    run = tmp_path / "run"
    train = ["train", reviews, "--text", "sentence", "--label", "label", "--id", "id", "--student", STUDENT, "--features", out / "letters",
             "--beta", "1", "--steps", "40", "--batch-size", "16", "--out", run]  # fmt: skip
    status, out_text, _ = aft_command(*train)
    assert status == 0
    assert "on 18 test samples" in out_text
    status, out_text, err = aft_command(*train)
    assert (status, "is finished; nothing to do" in err) == (0, True)
    status, out_text, _ = aft_command("evaluate", run, reviews)
    assert status == 0
    assert "accuracy" in out_text
    assert out_text.split()[-2:] == ["samples", "18"]
    status, out_text, _ = aft_command("inspect", run, "--verify")
    assert "gates letters" in out_text
    assert "the weights are as written" in out_text
    for name in ("answers.csv", "answers.jsonl"):
        status, out_text, _ = aft_command("predict", run, reviews, "--out", tmp_path / name)
        assert status == 0
    with (tmp_path / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"id{n}" for n in range(120)]
    first = json.loads((tmp_path / "answers.jsonl").read_text().splitlines()[0])
    assert first["label"] == rows[0]["label"]
    status, _, err = aft_command("predict", run, reviews, "--out", tmp_path / "answers.csv")
    assert (status, "existing files are kept" in err) == (2, True)


def test_teachers_are_ranked_in_a_table(aft_command, reviews, tmp_path):
    out = tmp_path / "features"
    columns = [reviews, "--text", "sentence", "--id", "id"]
    other = "half=python:tests.conftest:half_of_the_letters"
    assert aft_command("extract", *columns, "--teacher", TEACHER, "--teacher", other, "--out", out)[0] == 0
    stores = ["--features", out / "letters", "--features", out / "half"]
    status, out_text, err = aft_command("rank", *columns, "--label", "label", *stores)
    assert status == 0, err
    heading, *rows, advice, tfidf = out_text.splitlines()
    assert tfidf.startswith("TF-IDF with a linear model has error 0.")
    assert tfidf.endswith("the task needs neither teacher nor student.")
    assert heading.split() == ["teacher", "dim", "probe", "error", "LogME", "seconds"]
    assert {row.split("  ")[0].strip() for row in rows} == {"letters", "half", "letters + half"}
    assert len({len(row) for row in (heading, *rows)}) == 1
    assert advice.startswith(f"Choose {rows[0].split('  ')[0].strip()}: ")
    assert "14 validation samples" in advice
    status, out_text, _ = aft_command("rank", *columns, "--label", "label", *stores[:2])
    assert (status, "There is only one teacher, letters" in out_text) == (0, True)


def test_a_config_file_under_set_under_flags(aft_command, reviews, tmp_path):
    status, template, _ = aft_command("init")
    assert status == 0
    config = yaml.safe_load(template)
    config |= {"data": str(reviews), "teacher": [TEACHER], "batch_size": 7, "id": "id"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    status, out_text, err = aft_command(
        "extract", "--config", tmp_path / "run.yaml", "--set", "out=nowhere", "--out", tmp_path / "f"
    )
    assert status == 0, err
    assert out_text.strip() == str(tmp_path / "f" / "letters")
    config |= {"features": [str(tmp_path / "f" / "letters")], "student": STUDENT, "steps": 900, "beta": 3}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    status, out_text, err = aft_command(
        "train", "--config", tmp_path / "run.yaml", "--set", "steps=30", "--out", tmp_path / "r", "--beta", "2"
    )
    assert status == 0, err
    settings = json.loads((tmp_path / "r" / "config.json").read_text())["settings"]
    assert (settings["steps"], settings["beta"], settings["batch_size"]) == (30, 2.0, 7)


def test_a_folder_of_pictures_goes_all_the_way(aft_command, pictures, tmp_path):
    out = tmp_path / "features"
    assert (
        aft_command("extract", pictures, "--teacher", "net=timm:resnet10t,weights=random,image_size=32", "--out", out)[
            0
        ]
        == 0
    )
    status, out_text, err = aft_command("train", pictures, "--student", "timm:resnet10t,image_size=32", "--weights", "random", "--features",
                                     out / "net", "--beta", "1", "--steps", "12", "--out", tmp_path / "run")  # fmt: skip
    assert status == 0, err
    assert aft_command("predict", tmp_path / "run", pictures, "--out", tmp_path / "p.csv")[0] == 0


def test_help_of_every_command(aft_command):
    for command in (
        "extract",
        "rank",
        "train",
        "compare",
        "evaluate",
        "predict",
        "report",
        "inspect",
        "import-features",
        "init",
        "demo",
    ):
        status, out_text, _ = aft_command(command, "--help")
        assert status == 0
        assert f"aft {command}" in out_text
    assert aft_command("--version")[1].startswith("aft 0.")


def test_the_base_import_is_light():
    code = (
        "import sys, aft, aft.cli, aft.errors; heavy = {'torch', 'lightning', 'timm', 'transformers', 'sklearn', 'numpy'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).returncode == 0


def test_public_names():
    import aft

    expected = {"AFT", "BTuning", "CKA", "Comparison", "ExportedModel", "FactorTransfer", "KD", "ProbeKD", "RKD", "SP", "Weighting", "Dataset", "FeatureStore", "Metrics", "Model", "Pareto", "Prediction", "Run", "TrainConfig", "__version__",
                "capture", "compare", "compare_students", "evaluate", "export", "extract", "import_features", "load", "pareto", "push", "rank", "report", "train"}  # fmt: skip
    assert set(aft.__all__) == set(dir(aft)) == expected
    for name in expected:
        assert getattr(aft, name) is not None
    with pytest.raises(AttributeError):
        _ = aft.nothing


def test_a_missing_extra_says_which_one(monkeypatch):
    import aft
    from aft.errors import MissingExtraError

    monkeypatch.delitem(aft.__dict__, "AFT", raising=False)

    def missing(name):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingExtraError, match=r"adaptive-feature-transfer\[torch\]"):
        _ = aft.AFT


def test_the_sentences_of_other_tests_are_distinct():
    assert len({text for _, text, _ in sentences(120)}) == 120


def test_training_says_what_it_does_and_nothing_else(reviews, tmp_path):
    """In a process of its own, since the test runner silences other packages."""
    command = [sys.executable, "-m", "aft", "train", reviews, "--text", "sentence", "--id", "id", "--label", "label",
               "--student", STUDENT, "--method", "finetune", "--steps", "5", "--out", tmp_path / "run"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in done.stderr.splitlines()]
    assert names == [
        "data",
        "task",
        "samples",
        "student",
        "plan",
        "searching",
        *["fine-tuning,"] * 3,
        "chose",
        "to",  # repeat it without a search
        "TF-IDF",
    ]
    assert len(done.stdout.splitlines()) == 2


@pytest.fixture
def run(reviews, tmp_path):
    dataset = aft.Dataset.from_table(reviews, text="sentence", label="label", id="id")
    settings = {"method": "finetune", "beta": 0.0, "steps": 100, "lr": 0.05, "progress": False}
    return aft.train(dataset, STUDENT, out=tmp_path / "run", **settings).path


def rows_of(text):
    return list(csv.DictReader(text.splitlines()))


def test_texts_on_the_command_line_are_predicted(aft_command, run):
    status, out, _ = aft_command("predict", run, "--input", "a lovely film", "--input", "a dull, flat film")
    assert status == 0
    first, second = rows_of(out)
    assert (first["id"], second["id"]) == ("1", "2")
    assert (first["label"], second["label"]) == ("pos", "neg")
    assert float(first["probability of pos"]) > 0.5
    assert "received neither" in aft_command("predict", run)[2]
    assert "DATA or --input; received both" in aft_command("predict", run, run, "--input", "x")[2]
    assert "is not readable" not in aft_command("predict", run, "--input", " ")[2]


def test_the_standard_input_is_predicted(aft_command, run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a lovely film\r\n\na dull film\n")))
    status, out, err = aft_command("predict", run, "-", "--bad-inputs", "skip")
    assert status == 0
    assert "skipped '2': the text is empty" in err
    answers = [(row["id"], row["label"], row["error"]) for row in rows_of(out)]
    assert answers == [("1", "pos", ""), ("2", "", "the text is empty"), ("3", "neg", "")]


def test_a_table_without_ids_is_predicted_and_evaluated(aft_command, run, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text("sentence,label\na lovely film,pos\na lovely film,pos\na dull film,neg\n")
    status, out, err = aft_command("predict", run, table)
    assert status == 0, err
    assert [row["id"] for row in rows_of(out)] == ["1", "2", "3"]
    assert aft_command("evaluate", run, table)[0] == 0
    status, _, err = aft_command("predict", run, table, "--id", "nr")
    assert (status, "has no column 'nr'" in err) == (2, True)


def test_one_picture_is_predicted(aft_command, pictures, tmp_path, monkeypatch):
    student = "timm:resnet10t,weights=random,image_size=32"
    settings = {"method": "finetune", "beta": 0.0, "steps": 5, "progress": False}
    run = aft.train(aft.Dataset.from_folder(pictures), student, out=tmp_path / "run", **settings).path
    picture = pictures / "red" / "01.png"
    status, out, err = aft_command("predict", run, picture)
    assert status == 0, err
    assert [row["id"] for row in rows_of(out)] == ["01.png"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(picture.read_bytes())))
    status, piped, _ = aft_command("predict", run, "-")
    assert rows_of(piped)[0]["label"] == rows_of(out)[0]["label"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(picture.read_bytes() * 2)))
    assert "holds one image; received several" in aft_command("predict", run, "-")[2]
    (tmp_path / "bad.jpg").write_bytes(b"nonsense")
    assert "the image cannot be decoded" in aft_command("predict", run, tmp_path / "bad.jpg")[2]


def test_predictions_are_of_what_the_run_was_trained_on(aft_command, run, pictures, tmp_path, monkeypatch):
    assert "holds image; name other columns" in aft_command("predict", run, pictures)[2]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("a,b,label\nx,y,pos\n")
    for command in ("predict", "evaluate"):
        err = aft_command(command, run, pairs, "--text", "a", "--text-pair", "b")[2]
        assert "inputs of the modality text; " in err
        assert "holds pair" in err
    for raw, message in ((b"", "received none"), (b"caf\xe9", "line 1 of the standard input is not, at byte 3")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        assert message in aft_command("predict", run, "-")[2]
    assert "half of a surrogate pair" in aft_command("predict", run, "--input", "caf\udce9")[2]


def test_pairs_are_separated_by_a_tab(aft_command, tmp_path):
    data = aft.Dataset.from_arrays([(f"a {n}", f"b {n}") for n in range(40)], ["x", "y"] * 20)
    settings = {"method": "finetune", "beta": 0.0, "steps": 3, "progress": False}
    run = aft.train(data, STUDENT, out=tmp_path / "run", **settings).path
    assert len(rows_of(aft_command("predict", run, "--input", "one\ttwo")[1])) == 1
    assert "input 1 has 0" in aft_command("predict", run, "--input", "one two")[2]
    assert "input 1 has 2" in aft_command("predict", run, "--input", "one\ttwo\tthree")[2]


def test_wrong_arguments_are_one_sentence_too(aft_command, run):
    for arguments, message in (
        (["train", "t.csv", "--patience", "2.5"], "invalid value for '--patience'"),
        (["evaluate", run], "missing argument 'DATA'"),
        (["train", "t.csv", "--studnet", "x"], "no such option: --studnet"),
        (["predict", run, "--input", "x", "--id", "id"], "only tables have columns; received --id without one"),
    ):
        status, _, err = aft_command(*arguments)
        (line,) = err.splitlines()
        assert status == 2
        assert line.startswith(f"aft: {message}"), line
