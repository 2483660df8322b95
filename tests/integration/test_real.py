"""Real models and data, from packages of the registries."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import aft
from aft.demo import emoji_pictures, minilm_folder, movie_sentences
from aft.demo._demo import Size, write_task
from aft.probing import probe_error
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture

IMAGES = Path(__file__).parents[2] / "docs" / "how-to" / "images.md"


def test_minilm_gives_what_sentence_transformers_gives():
    from sentence_transformers import SentenceTransformer

    texts = ["a delight from start to end", "dull", "the longest and most tiresome film of the year, by far"]
    expected = SentenceTransformer(str(minilm_folder()), device="cpu").encode(texts)
    dataset = aft.Dataset.from_arrays(texts, ids=["a", "b", "c"])
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        by_hf = aft.extract(dataset, f"hf:{minilm_folder()}", name="hf", out=folder, dtype="float32", progress=False)
        by_st = aft.extract(dataset, f"st:{minilm_folder()}", name="st", out=folder, dtype="float32", progress=False)
        raw = by_hf[["a", "b", "c"]]
        assert np.allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), expected, atol=1e-5)
        assert np.allclose(by_st[["a", "b", "c"]], expected, atol=1e-5)


def test_the_csv_way_on_movie_sentences(tmp_path):
    table = write_task(tmp_path / "reviews.csv", movie_sentences(), Size(labelled=250, unlabelled=60, test=60, seeds=1))
    dataset = aft.Dataset.from_table(table, text="sentence", label="label", id="id", split="split")
    store = aft.extract(
        dataset, f"hf:{minilm_folder()},max_length=48", name="minilm", out=tmp_path / "features", progress=False
    )
    labels, splits = np.array(dataset.labels, dtype=object), np.array(dataset.splits)
    train = np.flatnonzero((splits == "train") & np.array([label is not None for label in labels]))
    test = np.flatnonzero(splits == "test")
    from aft.data import Targets

    targets = Targets.infer(labels[train].tolist())
    ids = np.array(dataset.ids)
    probe = probe_error(
        [store], targets,
        (ids[train].tolist(), targets.encode(labels[train].tolist(), ids[train].tolist())[0]),
        (ids[test].tolist(), targets.encode(labels[test].tolist(), ids[test].tolist())[0]),
    )  # fmt: skip
    assert probe.error < 0.4  # with 250 labels; far from what chance gives
    run = aft.train(
        dataset, "aft:static", store, out=tmp_path / "run", method="probe-kd", beta=3.0, steps=60, progress=False
    )
    assert run.result.samples.model_dump() == {"labelled": 250, "unlabelled": 60, "validation": 50, "test": 60}
    assert run.parameters < 2_700_000


def commands(heading):
    """The console lines of docs/how-to/images.md below a heading."""
    text = IMAGES.read_text(encoding="utf-8")
    block = re.search(rf"{heading}.*?```console\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line, comments=True) for line in block[1].splitlines()]


def test_the_image_guide_on_emoji(aft_command, tmp_path, monkeypatch):  # noqa: F811
    """Copied from the guide, on fewer pictures."""
    from PIL import Image

    source = emoji_pictures()
    for category in sorted(source.iterdir())[:3]:
        (tmp_path / "emoji-google" / category.name).mkdir(parents=True)
        for picture in sorted(category.iterdir())[:12]:
            (tmp_path / "emoji-google" / category.name / picture.name).write_bytes(picture.read_bytes())
            with Image.open(picture) as opened:
                assert opened.size == (32, 32)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for words in commands("Without a hub"):
        if words[0] != "aft":
            continue
        arguments = [word.replace("$DATA", "emoji-google") for word in words[1:]]
        arguments = ["20" if word == "200" else word for word in arguments]
        status, _, said = aft_command(*arguments)
        assert status == 0, said
        ran += 1
    assert ran == 3
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 37


@pytest.mark.parametrize("factory", ["mobilenetv2_64", "lite0_64"])
def test_a_pretrained_student_knows_more_than_a_random_one(factory):
    import torch

    import aft.demo
    from aft.data import Dataset
    from aft.models import load_backbone
    from aft.probing import fit_linear_probe

    data = Dataset.from_folder(emoji_pictures())
    data = data.subset(np.random.default_rng(0).permutation(len(data))[:400].tolist())
    names = sorted(set(data.labels))
    labels = torch.tensor([names.index(label) for label in data.labels])
    errors = []
    for trained in (True, False):
        module, preprocess = getattr(aft.demo, factory)()
        if not trained:
            torch.manual_seed(0)
            for layer in module.modules():
                if hasattr(layer, "reset_parameters"):
                    layer.reset_parameters()
        backbone = load_backbone(module, role="student", preprocess=preprocess, example=data.inputs[0])
        assert backbone.dim == 1280
        with torch.no_grad():
            encoded = backbone.encode(list(data.inputs))
            features = torch.cat(
                [backbone(backbone.collate(encoded[start : start + 50])) for start in range(0, 400, 50)]
            )
        probe = fit_linear_probe(features[:300], labels[:300], "classification", outputs=len(names))
        errors.append(float((probe(features[300:]).argmax(dim=1) != labels[300:]).float().mean()))
    assert errors[0] < errors[1] - 0.1
