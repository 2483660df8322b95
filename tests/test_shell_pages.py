"""The shell commands of the guides run, in the order of their page, on small files and models."""

import csv
import json
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

import aft
from tests import conftest
from tests.cli.test_cli import STUDENT, aft_command  # noqa: F401 - the fixture
from tests.conftest import sentences
from tests.test_docs import DOCS, aft_commands, make_inputs

HOW_TO = DOCS / "how-to"
#: Guides whose commands run. The others launch several processes or machines, or need a hub or object storage: tests of theirs do that.
GUIDES = (
    DOCS / "faq.md",
    HOW_TO / "choose-a-student.md",
    HOW_TO / "choose-a-teacher.md",
    HOW_TO / "configuration-file.md",
    HOW_TO / "deployment.md",
    HOW_TO / "features-from-an-api.md",
    HOW_TO / "images.md",
    HOW_TO / "images-with-texts.md",
    HOW_TO / "interruptions.md",
    HOW_TO / "recipes.md",
    HOW_TO / "several-teachers.md",
    HOW_TO / "table.md",
)
TEXTS, PICTURES = "python:tests.test_shell_pages:bag_of_letters", "python:tests.test_shell_pages:average_colours"
SMALL = "timm:resnet10t,image_size=32,weights=random"
#: Small local models for models of the hub.
MODELS = {
    "hf:sentence-transformers/all-mpnet-base-v2": TEXTS,
    "=hf:sentence-transformers/all-MiniLM-L6-v2": f"={TEXTS}",
    "hf:sentence-transformers/all-MiniLM-L6-v2,keep_layers=2,vocabulary=8000": "aft:transformer,vocabulary=200,width=16,layers=1",
    "timm:vit_small_patch14_dinov2.lvd142m": PICTURES,
    "timm:vit_base_patch16_clip_224.openai": PICTURES,
    "hf:google/vit-base-patch16-224": PICTURES,
    "timm:mobilenetv3_small_100*aft:transformer": f"{SMALL}*aft:transformer,vocabulary=200,width=16,layers=1",
    "timm:resnet18": SMALL,
}
#: What makes a training short.
SHORT = {"train": ("--steps", "5", "--beta", "1"), "compare": ("--steps", "5", "--seeds", "2")}


def bag_of_letters():
    """A python: factory of a teacher of texts, beside an image or alone."""
    module, read = conftest.bag_of_letters()
    return module, lambda value: read(value[1] if isinstance(value, tuple) else value)


def average_colours():
    """A python: factory of a teacher of images, beside a text or alone: features (B, 3)."""
    import torch
    from torch import nn

    class Average(nn.Module):
        def forward(self, input):
            return input.mean(dim=(2, 3))

    def read(value):
        image = value[0] if isinstance(value, tuple) else value
        return torch.tensor(np.asarray(image.resize((8, 8)))).permute(2, 0, 1).float()

    return Average(), read


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every file that a guide reads, and the stores and runs that it takes as made."""
    folder = tmp_path_factory.mktemp("guides")
    make_inputs(folder)
    rows = sentences(80)
    ids = [line.split(",")[0] for line in (folder / "reviews.csv").read_text().splitlines()[1:]]
    with (folder / "new.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("id", "sentence", "file", "caption"),
                *((i, t, f"{n % 10}.png", t) for n, (i, t, _) in enumerate(rows[:9])),
            ]
        )
    with (folder / "forum.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["sentence"], *([f"{text} again"] for _, text, _ in rows)])
    with (folder / "pairs.csv").open("w", newline="") as file:
        table = [
            (f"pets/{'cat' if n % 2 else 'dog'}/{n % 10}.png", f"{text} {n}", label)
            for n, (_, text, label) in enumerate(rows)
        ]
        csv.writer(file).writerows([("file", "caption", "label"), *table])
    (folder / "new-pictures").mkdir()
    for n in range(10):
        Image.new("RGB", (9, 8), (n, 20 * n, 0)).save(folder / "new-pictures" / f"{n}.png")
        Image.new("RGB", (9, 8), (n, 20 * n, 0)).save(folder / f"{n}.png")
    Image.new("RGB", (20, 16), (200, 0, 0)).save(folder / "photo.jpg")
    answers = [
        {"custom_id": i, "response": {"body": {"data": [{"embedding": [0.1, n, 2.0]}]}}} for n, i in enumerate(ids)
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in answers))
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(
        pa.table({"id": ids, "vector": [[0.5, float(n)] for n in range(80)]}), folder / "vectors.parquet"
    )
    dataset = aft.Dataset.from_table(folder / "reviews.csv", text="sentence", label="label", id="id")
    half = aft.Dataset.from_table(folder / "reviews.csv", text="sentence", id="id")
    for number, places in enumerate((range(40), range(40, 80)), 1):
        aft.extract(half.subset(list(places)), TEXTS, name="mpnet", out=folder / f"machine{number}", progress=False)
    aft.extract(dataset, TEXTS, name="mpnet", out=folder / "features", progress=False)
    aft.train(
        dataset, STUDENT, [folder / "features" / "mpnet"], out=folder / "runs" / "a", beta=1.0, steps=5, progress=False
    )
    pets = aft.Dataset.from_folder(folder / "pets")
    aft.train(pets, SMALL, [], method="finetune", out=folder / "runs" / "b", steps=5, lr=1e-3, progress=False)
    return folder


def smaller(text):
    """A text with small local models for models of the hub."""
    for old, new in MODELS.items():
        text = text.replace(old, new)
    return text


def prepared(words):
    """A command with small models and few steps; None where it goes to a hub or does not end."""
    if (
        words[0] in ("serve",)
        or (words[0] == "push" and "--dry-run" not in words)
        or "FOLDER" in " ".join(words)
        or "$DATA" in words
    ):
        return None
    if any("recipes/" in word for word in words) and "--dry-run" not in words:
        return None
    changed = [smaller(word) for word in words]
    if words[0] in SHORT and "--dry-run" not in words:
        changed += [
            word
            for pair in zip(SHORT[words[0]][::2], SHORT[words[0]][1::2], strict=True)
            if pair[0] not in words
            for word in pair
        ]
    return changed


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_the_shell_commands_of_a_guide_run(aft_command, files, tmp_path, monkeypatch, page):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    continues = page.name in ("faq.md", "choose-a-student.md", "interruptions.md", "deployment.md")
    left_out = () if continues else ("runs", "features")
    shutil.copytree(files, tmp_path, dirs_exist_ok=True, ignore=lambda *_: left_out)
    shutil.copytree(DOCS.parent / "recipes", tmp_path / "recipes")
    ran = 0
    for words in aft_commands(page):
        command = prepared(words)
        if command is None or "-" in command:
            continue
        redirected = command.index(">") if ">" in command else None
        status, out, err = aft_command(*command[:redirected])
        assert status == 0, f"aft {shlex.join(command)}: {err}"
        if redirected is not None:
            (tmp_path / command[redirected + 1]).write_text(smaller(out))
        ran += 1
    assert ran
