"""Exported models give the outputs of their students, without torch."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import DataError, ModelError, RunError, UsageError
from aft.runtime import ExportedModel, is_exported
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture
from tests.conftest import bag_of_letters, sentences
from tests.models.conftest import folders, towers  # noqa: F401 - fixtures

TEXTS = {
    "ngrams": "aft:ngrams,vocabulary=400",
    "static": "aft:static,vocabulary=200,width=8,hidden=8",
    "cnn": "aft:cnn,vocabulary=200,width=8,hidden=8",
    "transformer": "aft:transformer,vocabulary=200,width=16,layers=1,max_length=24",
    "joined": "aft:ngrams,vocabulary=300+aft:transformer,vocabulary=200,width=16,layers=1,max_length=24",
    "bert": "hf:{folders}/bert,keep_layers=2,vocabulary=150,max_length=24",
    "gpt2": "hf:{folders}/gpt2,max_length=24",
    "t5": "hf:{folders}/t5,max_length=24",
}


def texts(count=60):
    """Samples of texts with labels, some much longer than others."""
    rows = sentences(count)
    return Dataset.from_arrays(
        [text * (1 + 3 * (n % 5 == 0)) for n, (_, text, _) in enumerate(rows)], [label for *_, label in rows]
    )


def trained(dataset, student, out, **settings):
    """A run of a few steps."""
    settings = {"method": "finetune", "steps": 3, "lr": 1e-3} | settings
    return aft.train(dataset, student, [], out=out, progress=False, **settings).path


def agree(run, folder, inputs, **load):
    """Compare an exported model with the run that it was exported from."""
    exported, model = ExportedModel(folder), aft.load(run, device="cpu", **load)
    expected = model.logits(inputs)
    assert np.allclose(exported.logits(inputs), expected, atol=1e-4)
    assert np.allclose(exported.logits(inputs[:1]), expected[:1], atol=1e-4)
    ours, theirs = exported.predict(inputs), model.predict(inputs)
    assert [one.label for one in ours] == [one.label for one in theirs]
    assert ours[0].probabilities == pytest.approx(theirs[0].probabilities, abs=1e-4)


@pytest.mark.parametrize("name", TEXTS)
def test_students_of_texts(tmp_path, folders, name):  # noqa: F811
    dataset = texts()
    run = trained(dataset, TEXTS[name].format(folders=folders), tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset)
    check = result.checks["model.onnx"]
    assert check.largest_difference < 1e-4
    assert check.agreement == 1.0
    assert check.split == "test"
    assert check.samples == 12
    assert check.error == pytest.approx(result.trained.error)
    assert is_exported(tmp_path / "out")
    agree(run, tmp_path / "out", [*[dataset.inputs[i] for i in range(60)], "ünbekannte Wörter 🙂", "a"])
    assert "100.00 %" in str(result)


def test_pairs_of_texts(tmp_path):
    rows = sentences(60)
    pairs = [(text, rows[-n][1]) for n, (_, text, _) in enumerate(rows)]
    dataset = Dataset.from_arrays(pairs, [label for *_, label in rows])
    for name in ("ngrams", "transformer"):
        run = trained(dataset, TEXTS[name], tmp_path / name)
        aft.export(run, tmp_path / f"{name}-out", data=dataset)
        agree(run, tmp_path / f"{name}-out", pairs)


def pictures(count=40):
    """Small random pictures of many shapes, and two classes of brightness."""
    generator = np.random.default_rng(0)
    made = []
    for n in range(count):
        pixels = generator.integers(0, 128, (20 + n % 7, 24, 3), dtype=np.uint8) + (n % 2) * 100
        made.append(Image.fromarray(pixels.astype(np.uint8)))
    return made, ["bright" if n % 2 else "dark" for n in range(count)]


@pytest.mark.parametrize("student", ["timm:resnet10t,image_size=32,weights=random", "hf:{folders}/vit"])
def test_students_of_images(tmp_path, folders, student):  # noqa: F811
    inputs, labels = pictures()
    dataset = Dataset.from_arrays(inputs, labels)
    run = trained(dataset, student.format(folders=folders), tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, int8=True)
    agree(run, tmp_path / "out", inputs)
    small = result.checks["model.int8.onnx"]
    if "resnet" in student:  # the other is hardly more than its graph
        assert small.bytes < 0.6 * result.checks["model.onnx"].bytes
    assert small.agreement > 0.5
    assert small.largest_difference > 0
    assert len(ExportedModel(tmp_path / "out", precision="int8").predict(inputs)) == 40


def test_students_of_images_with_texts(tmp_path, towers):  # noqa: F811
    inputs, labels = pictures()
    pairs = list(zip(inputs, [text for _, text, _ in sentences(40)], strict=True))
    dataset = Dataset.from_arrays(pairs, labels)
    student = f"hf:{towers / 'clip'},reads=image*hf:{towers / 'siglip'},reads=text"
    run = trained(dataset, student, tmp_path / "run")
    aft.export(run, tmp_path / "out", data=dataset)
    agree(run, tmp_path / "out", pairs)


def test_modules_on_arrays_and_regression(tmp_path):
    generator = np.random.default_rng(0)
    values = generator.standard_normal((60, 6)).astype(np.float32)
    dataset = Dataset.from_arrays(list(values), (values[:, 0] + 0.1).astype(float).tolist())
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
    run = trained(dataset, module, tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, student=module)
    exported, model = ExportedModel(tmp_path / "out"), aft.load(run, student=module)
    ours, theirs = exported.predict(list(values)), model.predict(list(values))
    assert [one.label for one in ours] == pytest.approx([one.label for one in theirs], abs=1e-4)
    assert result.checks["model.onnx"].agreement == 1.0
    with pytest.raises(DataError, match=r"an array has the shape of those of the training, \(6,\); received \(5,\)"):
        exported.predict([values[0][:5]])


def test_multilabel(tmp_path):
    rows = sentences(60)
    dataset = Dataset.from_arrays(
        [text for _, text, _ in rows], [[label, "all"] if n % 3 else [label] for n, (*_, label) in enumerate(rows)]
    )
    run = trained(dataset, TEXTS["ngrams"], tmp_path / "run")
    aft.export(run, tmp_path / "out", data=dataset)
    agree(run, tmp_path / "out", [text for _, text, _ in rows])


def test_int8_of_texts(tmp_path):
    dataset = texts()
    student = "aft:transformer,vocabulary=200,width=128,layers=2,max_length=24"
    run = trained(dataset, student, tmp_path / "run", steps=20)
    result = aft.export(run, tmp_path / "out", data=dataset, int8=True)
    assert result.checks["model.int8.onnx"].bytes < 0.6 * result.checks["model.onnx"].bytes
    assert result.checks["model.int8.onnx"].agreement > 0.7


def test_int8_of_a_table_of_ngrams(tmp_path):
    dataset = texts()
    run = trained(dataset, TEXTS["ngrams"], tmp_path / "run", steps=20)
    checks = aft.export(run, tmp_path / "out", data=dataset, int8=True).checks
    assert checks["model.int8.onnx"].bytes < 0.6 * checks["model.onnx"].bytes
    assert checks["model.int8.onnx"].agreement > 0.9


def test_samples_that_the_training_skipped_are_skipped(reviews, tmp_path):
    with reviews.open("a") as file:
        file.write("id9999,,positive\n")
    dataset = Dataset.from_table(reviews, text="sentence", label="label", id="id", bad_inputs="skip")
    run = trained(dataset, TEXTS["ngrams"], tmp_path / "run")
    assert aft.export(run, tmp_path / "out").trained.split == "test"


def test_data_of_the_run_is_used_without_being_named(reviews, tmp_path):
    dataset = Dataset.from_table(reviews, text="sentence", label="label", id="id")
    run = trained(dataset, TEXTS["ngrams"], tmp_path / "run")
    result = aft.export(run, tmp_path / "out")
    assert result.trained.split == "test"
    assert json.loads((tmp_path / "out" / "export.json").read_text())["columns"] == {"text": "sentence", "id": "id"}
    reviews.unlink()
    with pytest.raises(
        DataError, match="^an export is checked on samples of the task; .* cannot be read .*; name others with data=$"
    ):
        aft.export(run, tmp_path / "other")
    other = Dataset.from_arrays(["a lovely film", "a dull film"])
    assert aft.export(run, tmp_path / "other", data=other).trained.error is None
    assert aft.export(run, tmp_path / "other", data=other, overwrite=True).trained.split == "all"
    for folder in (run, tmp_path):  # nothing but an earlier export is ever replaced
        with pytest.raises(UsageError, match="only an earlier export is replaced"):
            aft.export(run, folder, data=other, overwrite=True)
    assert (run / "result.json").exists()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_cannot_be_exported_leaves_nothing(tmp_path, monkeypatch):
    dataset = texts()
    module, preprocess = bag_of_letters()
    run = trained(dataset, module, tmp_path / "run", preprocess=preprocess)
    load = aft.load
    monkeypatch.setattr(
        "aft.exporting._export.load", lambda run, **_: load(run, student=module, preprocess=preprocess, device="cpu")
    )
    with pytest.raises(ModelError, match="preprocessing of .* is code, which no file describes"):
        aft.export(run, tmp_path / "out", data=dataset)
    monkeypatch.undo()
    run = trained(dataset, TEXTS["static"], tmp_path / "static")
    monkeypatch.setattr("aft.exporting._export.TOLERANCE", -1.0)
    with pytest.raises(RunError, match="gives the outputs of its student; received a difference of .*nothing was kept"):
        aft.export(run, tmp_path / "out", data=dataset)
    assert not [path.name for path in tmp_path.iterdir() if "out" in path.name]
    monkeypatch.undo()
    aft.export(run, tmp_path / "out", data=dataset)
    with pytest.raises(UsageError, match="existing files are kept"):
        aft.export(run, tmp_path / "out", data=dataset)


def test_damaged_exports_are_noticed(tmp_path):
    dataset = texts()
    aft.export(trained(dataset, TEXTS["ngrams"], tmp_path / "run"), tmp_path / "out", data=dataset)
    with pytest.raises(UsageError, match="has the precision fp32 or int8; received 'bf16'"):
        ExportedModel(tmp_path / "out", precision="bf16")
    with pytest.raises(RunError, match=r"there is no 'model.int8.onnx' in .*; export the run with it"):
        ExportedModel(tmp_path / "out", precision="int8")
    (tmp_path / "out" / "ngrams.npz").write_bytes(b"nothing")
    with pytest.raises(RunError, match="the n-grams in .* are not what aft export wrote"):
        ExportedModel(tmp_path / "out")
    (tmp_path / "out" / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"model.onnx' is not what aft export wrote"):
        ExportedModel(tmp_path / "out")
    (tmp_path / "out" / "export.json").write_text("{}")
    with pytest.raises(RunError, match=r"export.json' is not what aft export wrote"):
        ExportedModel(tmp_path / "out")
    (tmp_path / "out" / "export.json").unlink()
    with pytest.raises(RunError, match="an exported model holds export.json; there is none"):
        ExportedModel(tmp_path / "out")


def test_predictions_do_not_import_torch(tmp_path):
    dataset = texts()
    aft.export(trained(dataset, TEXTS["joined"], tmp_path / "run"), tmp_path / "out", data=dataset)
    code = (
        "import sys; from aft import ExportedModel; model = ExportedModel(sys.argv[1]); print(model.predict(['a lovely film'])[0].label); "
        "assert not {'torch', 'transformers', 'lightning', 'sklearn'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("neg", "pos", "negative", "positive")


def test_the_command_line_exports_and_predicts_without_torch(aft_command, reviews, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    status, _, err = aft_command(
        "train", reviews, "--text", "sentence", "--label", "label", "--id", "id", "--student", TEXTS["ngrams"], "--method", "finetune",
        "--steps", "20", "--lr", "1e-3", "--out", "run",
    )  # fmt: skip
    assert status == 0, err
    status, out, err = aft_command("export", "run", "--out", "exported", "--int8")
    assert status == 0, err
    assert "model.int8.onnx" in out
    assert "100.00 %" in out
    status, _, err = aft_command("predict", "run", reviews, "--out", "torch.csv")
    assert status == 0, err
    blocked = "import sys; sys.modules['torch'] = None; from aft.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", blocked, "predict", "exported", reviews, "--out", "onnx.csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "torch.csv").open() as one, (tmp_path / "onnx.csv").open() as other:
        ours, theirs = list(csv.DictReader(other)), list(csv.DictReader(one))
    assert [(row["id"], row["label"]) for row in ours] == [(row["id"], row["label"]) for row in theirs]
    status, out, err = aft_command("predict", "exported", "--input", "a lovely film", "--input", "a dull film")
    assert status == 0, err
    assert len(out.splitlines()) == 3
    status, out, err = aft_command("predict", "exported", "--input", "a lovely film", "--precision", "int8")
    assert status == 0, err
    (tmp_path / "new.csv").write_text('sentence\na lovely film\n""\n')  # without ids, and with an empty text
    status, out, err = aft_command("predict", "exported", "new.csv")
    assert status == 0, err
    assert "1 of 2 rows have no prediction; the first: row 2: the text is empty" in err
    assert out.splitlines()[1].startswith("1,")
    for command in (
        ("export", "run", "--out", "exported"),
        ("export", "run", "--out", "other", "--to", "tflite"),
        ("predict", "exported", "new.csv", "--precision", "bf16"),
        ("predict", "exported", "new.csv", "--text", "txt"),
    ):
        status, _, err = aft_command(*command)
        assert status == 2, command
        assert len(err.strip().splitlines()) == 1
