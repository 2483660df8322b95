"""Samples with an image and a text, from the data to predictions."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import DataError, ModelError, RunError, UsageError
from aft.extraction import extract_all
from aft.models import load_backbone
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture
from tests.conftest import bag_of_letters

STUDENT = "python:tests.models.test_image_text:colours,reads=image*aft:static,vocabulary=100,hidden=16"
TEACHERS = {
    "colours": "python:tests.models.test_image_text:colours,reads=image",
    "letters": "python:tests.conftest:bag_of_letters,reads=text",
}


class Colours(nn.Module):
    """The mean of each channel, through a layer: features (B, 8)."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 8)
        with torch.no_grad():  # the same weights in every test
            self.layer.weight.copy_(torch.linspace(-1, 1, 24).view(3, 8).T.roll(1, 1))
            self.layer.bias.fill_(0.1)

    def forward(self, input):
        return torch.tanh(self.layer(input.mean(dim=(2, 3)) - 0.5))


def colours():
    """A python: factory."""
    return Colours()


def wide(module):
    """Make another module of the same class: its layers differ."""
    nn.Module.__init__(module)
    module.layer = nn.Linear(3, 9)


def both():
    """A python: factory of a module that takes images and texts."""

    def preprocess(value):
        image, text = value
        return {
            "pixels": torch.from_numpy(np.array(image, dtype=np.float32) / 255).mean(dim=(0, 1)),
            "counts": bag_of_letters()[1](text),
        }

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.images, self.texts = nn.Linear(3, 16), nn.Linear(26, 16)

        def forward(self, pixels, counts):
            return self.images(pixels) * self.texts(counts)

    return Both(), preprocess


def read(table, **options):
    return Dataset.from_table(table, image="picture", text="caption", label="label", **options)


def test_a_table_of_images_and_texts(matching):
    dataset = read(matching)
    assert (dataset.kind, len(dataset), dataset.modality) == ("image+text", 160, ("image", "text"))
    image, text = dataset[1].input
    assert (image.size, text) == ((8, 8), "moss number 0 of 1")
    assert dataset.inputs.texts([0, 1]) == ["ruby number 0 of 0", "moss number 0 of 1"]
    assert len(set(dataset.verified().digests)) == len(set(dataset.ids)) == 160
    assert dataset.groups[:5] == ["pictures/0.png"] * 4 + ["pictures/1.png"]  # a picture is never in two splits
    again = Dataset.from_arrays([dataset[n].input for n in range(5)], dataset.labels[:5])
    assert again.kind == "image+text"
    assert again[1].input[1] == text


@pytest.mark.parametrize(
    ("picture", "caption", "reason"),
    [
        ("pictures/1.png", " ", "the text is empty"),
        ("pictures/none.png", "moss", "cannot be read"),
        ("matching.csv", "moss", "image"),
    ],
)
def test_a_bad_part_of_an_input_is_named(matching, picture, caption, reason):
    with matching.open("a", newline="") as file:
        csv.writer(file).writerow([picture, caption, "match"])
    with pytest.raises(DataError, match=f"of 161, 1 cannot be used.*{reason}"):
        read(matching).verified()
    assert len(read(matching).verified("skip")) == 160
    with pytest.raises(
        UsageError, match="the inputs of a table are a text.*received image='picture', text='caption', text_pair="
    ):
        read(matching, text_pair="caption")


def test_a_pair_of_encoders_learns_how_the_parts_go_together(matching, tmp_path, monkeypatch):
    dataset = read(matching)
    stores = extract_all(dataset, TEACHERS, out=tmp_path / "features", progress=False)
    assert [store.dim for store in stores] == [8, 26]
    assert [store.fingerprint["reads"] for store in stores] == ["image", "text"]
    run = aft.train(
        dataset, STUDENT, stores, method="aft", beta=0.1, weighting="balanced", steps=150, lr=0.01, test_fraction=0.25,
        out=tmp_path / "run", progress=False,
    )  # fmt: skip
    assert run.error < 0.1
    model = aft.load(run, student=STUDENT)
    image = tmp_path / "pictures" / "0.png"
    inputs = [(image, "ruby number 0 of 0"), (Image.open(image), "moss number 0 of 1")]
    assert [one.label for one in model.predict(inputs)] == ["match", "other"]
    monkeypatch.setattr(Colours, "__init__", lambda self: wide(self))
    with pytest.raises(RunError, match="the layers of student= differ from that module's"):
        aft.load(run, student=STUDENT)
    monkeypatch.undo()
    with pytest.raises(DataError, match="the model takes inputs of the modality image.text; input 0 cannot be used"):
        model.predict(["a text alone"])
    with pytest.raises(
        DataError, match="^the model takes .*; input 1 cannot be used: the text is empty; correct it, or leave it out$"
    ):
        model.predict([(image, "ruby"), (image, " ")])
    with pytest.raises(RunError, match="several parts is loaded by its name; received student= of the class Colours"):
        aft.load(run, student=Colours())
    joined = aft.train(
        dataset, STUDENT.replace("*", "+"), stores, method="finetune", steps=100, lr=0.01, test_fraction=0.25,
        out=tmp_path / "joined", progress=False,
    )  # fmt: skip
    assert joined.error > 0.3, "a sum of what each part says cannot tell whether they match"


def test_the_default_method_learns_from_a_probe_on_products(matching, tmp_path):
    dataset = read(matching)
    stores = extract_all(dataset, TEACHERS, out=tmp_path / "features", progress=False)
    run = aft.train(
        dataset, STUDENT, stores, steps=150, lr=0.01, test_fraction=0.25, weighting="balanced", beta=1.0, out=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    assert run.error < 0.1
    best = aft.rank(dataset, stores)[0]
    assert best.name == "colours + letters"
    assert best.probe_error < 0.1


def test_an_image_of_several_rows_is_computed_once(matching, tmp_path, monkeypatch):
    dataset, counts = read(matching), []
    forward = Colours.forward
    monkeypatch.setattr(Colours, "forward", lambda self, input: counts.append(len(input)) or forward(self, input))
    (store,) = extract_all(
        dataset, {"c": TEACHERS["colours"]}, out=tmp_path, batch_size=16, shard_rows=256, progress=False
    )
    measured = 1  # the width of the features
    assert sum(counts) == 40 + measured
    layer = f"{TEACHERS['colours']},layer=layer"
    both = extract_all(dataset, {"c": TEACHERS["colours"], "layer": layer}, out=tmp_path / "two", progress=False)
    assert np.allclose(np.tanh(both[1][dataset.ids].astype(np.float32)), both[0][dataset.ids], atol=2e-3)
    features = store[dataset.ids]
    assert features.shape == (160, 8)
    for n in range(160):
        assert np.array_equal(features[n], features[n - n % 4])
    assert len(np.unique(features, axis=0)) == 40


def test_a_module_takes_both(matching, tmp_path):
    run = aft.train(
        read(matching), "python:tests.models.test_image_text:both", method="finetune", steps=150, lr=0.01,
        test_fraction=0.25, out=tmp_path / "run", progress=False,
    )  # fmt: skip
    assert run.error < 0.1


def test_the_parts_of_a_student_read_all_of_an_input(matching):
    for name, message in (
        (
            "aft:static",
            "a student must accept the dataset's modality; aft:static takes text or pair, and .* image.text",
        ),
        (
            "aft:static+aft:ngrams",
            "the parts of a student read all of an input.*no part of aft:static.aft:ngrams reads the image",
        ),
        ("aft:static*aft:ngrams+aft:static", "joined by . or multiplied by .; received both"),
    ):
        with pytest.raises(UsageError, match=message):
            aft.train(read(matching), name, method="finetune", out="never")
    with pytest.raises(UsageError, match="reads= is image or text; received 'sound'"):
        load_backbone("python:tests.models.test_image_text:colours,reads=sound")
    with pytest.raises(ModelError, match="a teacher must accept"):
        load_backbone("aft:static", role="student", texts=lambda: ["a text"] * 5).read(("array",), "teacher")


def test_a_folder_of_images_with_files_of_texts(pictures, tmp_path, aft_command):  # noqa: F811
    with pytest.raises(DataError, match=r"every image needs its text.*suffix .txt; 40 of 40 have none, 'blue/00.png'"):
        Dataset.from_folder(pictures, text=".txt")
    for n, image in enumerate(sorted(pictures.rglob("*.png"))):
        image.with_suffix(".txt").write_text(f"picture {n}, {'warm' if 'red' in str(image) else 'cold'}\n")
    dataset = Dataset.from_folder(pictures, text=".txt")
    assert (dataset.kind, len(dataset), dataset.labels[0]) == ("image+text", 40, "blue")
    assert dataset.inputs[39][1] == "picture 39, warm"
    for wrong in ("caption", ".", ".a/b"):
        with pytest.raises(UsageError, match=f"text= is their suffix; received '{wrong}'"):
            Dataset.from_folder(pictures, text=wrong)
    student = "timm:resnet10t,weights=random,image_size=32+aft:static,vocabulary=100,hidden=16"
    status, _, err = aft_command(
        "train", pictures, "--text", ".txt", "--student", student, "--method", "finetune", "--steps", "5", "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0, err
    assert "not images and are ignored" not in err
    status, shown, err = aft_command("predict", tmp_path / "run", pictures)
    assert status == 0, err
    assert len(shown.splitlines()) == 41
    (tmp_path / "new.csv").write_text("text\na picture\n")
    status, _, err = aft_command("predict", tmp_path / "run", tmp_path / "new.csv")
    assert (status, "name their columns with --text, --text-pair and --image" in err) == (2, True)
    (tmp_path / "secret.txt").write_text("secret")
    (pictures / "red" / "01.txt").unlink()
    (pictures / "red" / "01.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DataError, match="must lie inside it; received links to other places"):
        Dataset.from_folder(pictures, text=".txt")
    (pictures / "red" / "01.txt").unlink()
    (pictures / "red" / "01.txt").write_text("cold")
    (pictures / "red" / "00.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="'red/00.txt' cannot be read"):
        Dataset.from_folder(pictures, text=".txt")


def test_the_command_line_trains_and_predicts_images_with_texts(matching, tmp_path, aft_command):  # noqa: F811
    columns = ("--image", "picture", "--text", "caption")
    student = "timm:resnet10t,weights=random,image_size=32*aft:static,vocabulary=100,hidden=16"
    teacher = "letters=python:tests.conftest:bag_of_letters,reads=text"
    out = tmp_path / "features"
    assert aft_command("extract", matching, *columns, "--teacher", teacher, "--out", out)[0] == 0
    status, _, err = aft_command(
        "train", matching, *columns, "--label", "label", "--student", student, "--features", out / "letters", "--beta", "1",
        "--steps", "5", "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0, err
    picture = tmp_path / "pictures" / "1.png"
    status, shown, err = aft_command(
        "predict", tmp_path / "run", "--input", f"{picture}\tmoss", "--input", f"{picture}\truby"
    )
    assert status == 0, err
    assert len(shown.splitlines()) == 3
    status, _, err = aft_command("predict", tmp_path / "run", "--input", "moss")
    assert (status, "an image's path and its text are separated by one tab; input 1 has 0" in err) == (2, True)
    status, shown, err = aft_command("predict", tmp_path / "run", matching)
    assert status == 0, err
    assert len(shown.splitlines()) == 161


def test_repeated_texts_that_are_too_long_are_all_counted(tmp_path):
    from aft.extraction._compute import _Repeated

    repeated = _Repeated(1)
    new, copies = repeated.divide([(0, "long"), (0, "short"), (0, "long")], [0, 1, 2])
    assert (new, copies) == ([0, 1], {2: 0})
    assert repeated.truncated(copies, [0]) == 1
    new, copies = repeated.divide([(0, "long"), (0, "short")], [3, 4])
    assert (new, copies) == ([], {3: 0, 4: 1})
    assert repeated.truncated(copies, []) == 1
