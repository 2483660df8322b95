"""Every kind of bad input in docs/reference/errors.md: exit status 2, one sentence, and nothing lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_cli import STUDENT, TEACHER, aft_command  # noqa: F401 - the fixture

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def table(folder, text, name="data.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def train(data, *more):
    return ["train", data, "--student", STUDENT, "--method", "finetune", "--out", data.parent / "run", *more]


TEXT = ("--text", "text", "--label", "label")
BOTH = ("--image", "file", "--text", "text", "--label", "label", "--id", "id")
ROWS = "".join(f"text number {n},{'ab'[n % 2]}\n" for n in range(20))

#: What is wrong; the command, given a folder; a part of the message.
CASES = {
    "no such file": (lambda d: train(d / "none.csv", *TEXT), "there is no file"),
    "an address of another kind": (lambda d: ["train", "nowhere://bucket/data.csv", *train(d / "x", *TEXT)[2:]], "a table's address is one that fsspec supports; received 'nowhere://bucket/data.csv'"),
    "no file at an address": (lambda d: ["train", "memory://bucket/data.csv", *train(d / "x", *TEXT)[2:]], "there is no file 'memory://bucket/data.csv'"),
    "another format": (lambda d: train(table(d, "x", "data.xlsx"), *TEXT), "name ends in one of .csv"),
    "an empty file": (lambda d: train(table(d, ""), *TEXT), "is empty"),
    "a header and no rows": (lambda d: train(table(d, "text,label\n"), *TEXT), "at least one row"),
    "an unknown column": (lambda d: train(table(d, "text,label\n" + ROWS), "--text", "txt", "--label", "label"), "has no column 'txt'; did you mean 'text'?"),
    "no column of inputs": (lambda d: train(table(d, "text,label\n" + ROWS)), "the inputs of a table are a text, a pair of texts, an image, or an image and a text; received none"),
    "a row with too many cells": (lambda d: train(table(d, "text,label\n" + ROWS + "one, two,a\n"), *TEXT), "line 22 of"),
    "an unclosed quote": (lambda d: train(table(d, 'text,label\n"one,a\n' + ROWS), *TEXT), "not well-formed CSV"),
    "bytes that are not UTF-8": (lambda d: train(table(d, b"text,label\ncaf\xe9,a\n"), *TEXT), "a table is UTF-8 text"),
    "a line that is not JSON": (lambda d: train(table(d, '{"text": "a"}\n{"text"\n', "data.jsonl"), "--text", "text"), "line 2 is not"),
    "an empty text": (lambda d: train(table(d, "text,label\n" + ROWS + " ,a\n"), *TEXT), "the text is empty; correct them, or leave them out with --bad-inputs skip"),
    "duplicate ids": (lambda d: train(table(d, "i,text,label\n1,a,x\n1,b,y\n"), *TEXT, "--id", "i"), "ids must be unique; received duplicates of '1'"),
    "an empty id": (lambda d: train(table(d, "i,text,label\n,a,x\n"), *TEXT, "--id", "i"), "row 1 has none"),
    "unlabelled data of other inputs": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--unlabelled-data", corrupt(d)), "unlabelled data has inputs of the dataset's modality, text; received image"),
    "an id for two inputs": (lambda d: train(table(d, "i,text,label\n1,a,x\n2,b,y\n"), *TEXT, "--id", "i", "--unlabelled-data", table(d, "i,text\n2,c\n", "more.csv")), "an id stands for one input; the unlabelled data has '2' for other inputs than the dataset"),
    "one class": (lambda d: train(table(d, "text,label\n" + ROWS.replace(",b", ",a")), *TEXT), "at least two classes; received only 'a'"),
    "no labels": (lambda d: train(table(d, "text,label\n" + ROWS), "--text", "text"), "name the column with --label"),
    "ordinal classes without an order": (lambda d: train(table(d, "text,label\n" + ROWS + "x,c\ny,c\n"), *TEXT, "--task", "ordinal"), "--order lists them from the lowest to the highest; received 'a', 'b', 'c'"),
    "an order that lacks a class": (lambda d: train(table(d, "text,label\n" + ROWS + "x,c\ny,c\n"), *TEXT, "--order", "a,b"), "--order lists every class of an ordinal task once; received 'a', 'b'"),
    "an order for another task": (lambda d: train(table(d, "text,label\n" + ROWS + "x,c\ny,c\n"), *TEXT, "--order", "a,b,c", "--task", "regression"), "--order is for ordinal tasks; received it for --task regression"),
    "a regression label that is no number": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--task", "regression"), "a regression label is a finite number; received 'a'"),
    "an unknown split": (lambda d: train(table(d, "text,label,part\n" + ROWS.replace("\n", ",trian\n")), *TEXT, "--split", "part"), "did you mean 'train'?"),
    "a test sample in training": (lambda d: train(table(d, "text,label,part\n" + ROWS.replace("\n", ",train\n") + "text number 3,b,test\n"), *TEXT, "--split", "part"), "whose content is also in training"),
    "a test label that training lacks": (lambda d: train(table(d, "text,label,part\n" + ROWS.replace("\n", ",train\n") + "new,c,test\n"), *TEXT, "--split", "part", "--steps", "2", "--beta", "0"), "every label must occur in training; received 'c'"),
    "an image path that leads out of the folder": (lambda d: train(table(d, "file,label\n../x.png,a\n"), "--image", "file", "--label", "label"), "--image-root"),
    "a missing image": (lambda d: train(table(d, "file,label\nx.png,a\ny.png,b\n"), "--image", "file", "--label", "label"), "cannot be read (No such file or directory)"),
    "a missing image beside a text": (lambda d: train(both(d, "x,none.png,a text,a"), *BOTH), "first 'x': the image file"),
    "an empty text beside an image": (lambda d: train(both(d, "x,1.png, ,a"), *BOTH), "first 'x': the text is empty"),
    "an image without the file of its text": (lambda d: train(corrupt(d), "--text", ".txt"), "every image needs its text"),
    "an image with a pair of texts": (lambda d: train(both(d, "x,1.png,a text,a"), *BOTH, "--text-pair", "label"), "received --image file, --text text, --text-pair label"),
    "a student that reads a part of the inputs": (lambda d: train(both(d, "x,1.png,a text,a"), *BOTH), "takes text or pair, and the dataset holds image+text inputs"),
    "a corrupt image": (lambda d: train(corrupt(d)), "the image cannot be decoded"),
    "a folder without images": (lambda d: train(d / "empty"), "has none; check the path"),
    "an unknown kind of model": (lambda d: ["train", table(d, "text,label\n" + ROWS), *TEXT, "--student", "tim:resnet18", "--out", d / "r", "--method", "finetune"], "did you mean 'timm'?"),
    "an architecture of open_clip without weights": (lambda d: ["extract", table(d, "text,label\n" + ROWS), "--text", "text", "--teacher", "open_clip:ViT-B-32", "--out", d / "f"], "--weights names the weights of open_clip:ViT-B-32, or a file; received None"),
    "an unknown method": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--method", "atf"), "unknown method 'atf'; did you mean 'aft'?"),
    "no features": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--method", "aft"), "name a store with --features"),
    "a directory that is not a store": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--method", "aft", "--features", d / "empty"), "create one with aft extract"),
    "a beta that is not a number": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--beta", "much"), "--beta does not take that value"),
    "both steps and epochs": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--steps", "5", "--epochs", "2"), "is given once; received --steps 5 and --epochs 2"),
    "a patience of zero": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--patience", "0"), "--patience does not take that value"),
    "nothing to predict": (lambda d: ["predict", d / "empty"], "DATA or --input; received neither"),
    "half of a surrogate pair": (lambda d: train(table(d, '{"text": "a \\ud800", "label": "a"}\n', "data.jsonl"), *TEXT), "which is no character"),
    "an unknown option in a config": (lambda d: ["train", "--config", table(d, "studnet: x\n", "run.yaml")], "unknown option 'studnet'; did you mean 'student'?"),
    "a config with object tags": (lambda d: ["train", "--config", table(d, "student: !!python/object/apply:os.system [ls]\n", "run.yaml")], "--config is a YAML file of options"),
    "an output folder with other things in it": (lambda d: train(table(d, "text,label\n" + ROWS), *TEXT, "--out", foreign(d)), "holds 'thesis.txt'"),
    "imported features with pickled objects": (lambda d: ["import-features", pickled(d), "--ids", table(d, "a\n", "ids.txt"), "--name", "x", "--out", d / "f"], "save it with numpy.save"),
    "imported features with NaN": (lambda d: ["import-features", nan(d), "--ids", table(d, "a\nb\n", "ids.txt"), "--name", "x", "--out", d / "f"], "ids 'b'"),
    "a report of a folder without a comparison": (lambda d: ["report", d / "empty"], "a report needs a finished comparison"),
    "an unknown format to export to": (lambda d: ["export", d / "run", "--out", d / "out", "--to", "timn"], "unknown format --to timn; did you mean 'timm'?"),
    "weights of 8 bits in another format than ONNX": (lambda d: ["export", d / "run", "--out", d / "out", "--to", "timm", "--int8"], "weights of 8 bits are written as ONNX"),
    "an export of a folder that is no run": (lambda d: ["export", d / "empty", "--out", d / "out"], "a run contains config.json; there is none"),
    "a repository without an owner": (lambda d: ["push", d / "empty", "reviews", "--dry-run"], "a repository is named OWNER/NAME; received 'reviews'"),
    "a server for a path where nothing is": (lambda d: ["serve", d / "nowhere"], "a run is a directory; there is none at"),
    "a server for a folder that is neither run nor export": (lambda d: ["serve", d / "empty"], "a run contains config.json; there is none"),
    "a folder that is neither store nor run": (lambda d: ["inspect", d / "empty"], "takes a feature store or a run directory"),
}  # fmt: skip


def both(folder, row):
    """A table of images with texts, and one more row."""
    for n in range(20):
        Image.new("RGB", (4, 4), (n, n, n)).save(folder / f"{n}.png")
    rows = [f"r{n},{n}.png,text {n},{'ab'[n % 2]}" for n in range(20)]
    return table(folder, "\n".join(["id,file,text,label", *rows, row, ""]))


def corrupt(folder):
    for name in ("a", "b"):
        (folder / "pictures" / name).mkdir(parents=True)
        (folder / "pictures" / name / "x.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    return folder / "pictures"


def foreign(folder):
    (folder / "other").mkdir()
    (folder / "other" / "thesis.txt").write_text("precious")
    return folder / "other"


def pickled(folder):
    np.save(folder / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return folder / "x.npy"


def nan(folder):
    np.save(folder / "x.npy", np.array([[1.0], [np.nan]]))
    return folder / "x.npy"


@pytest.mark.parametrize("kind", CASES)
def test_bad_input_is_one_sentence_and_status_two(aft_command, tmp_path, kind):  # noqa: F811
    (tmp_path / "empty").mkdir()
    command, message = CASES[kind]
    arguments = command(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, _, err = aft_command(*arguments)
    (line,) = [line for line in err.splitlines() if line.startswith("aft: ")]
    assert status == 2
    assert message in line
    assert "Traceback" not in err
    assert all(path.read_bytes() == content for path, content in before.items())


def test_the_docs_list_them_all():
    text = DOCS.read_text(encoding="utf-8")
    for kind, (_, message) in CASES.items():
        assert f"| {kind} | `{message}` |" in text, kind
    assert len(CASES) >= 20


def test_extraction_names_what_differs(aft_command, reviews, tmp_path):  # noqa: F811
    command = ["extract", reviews, "--text", "sentence", "--id", "id", "--teacher", TEACHER, "--out", tmp_path / "f"]
    assert aft_command(*command)[0] == 0
    kept = json.loads((tmp_path / "f" / "letters" / "manifest.json").read_text())
    status, _, err = aft_command(*command, "--pooling", "max", "--dtype", "float32")
    assert status == 2
    assert "dtype: expected 'float32'" in err
    assert json.loads((tmp_path / "f" / "letters" / "manifest.json").read_text()) == kept
