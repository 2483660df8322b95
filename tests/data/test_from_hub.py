"""Data sets by name, from folders in the hub's layout and through the package datasets."""

import io
import json
import os
from pathlib import Path

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from aft.data import CATALOGUE, Dataset, find_local, open_dataset
from aft.data._from_hub import _download
from aft.errors import DataError, UsageError

REAL = {"sst2", "trec", "cola", "mrpc", "stsb", "imdb", "cifar10", "caltech101", "flickr8k-matching"}


def classes(*names):
    return {"_type": "ClassLabel", "names": list(names)}


def write(folder, splits, **features):
    """Write the splits of a dataset as the hub does: with the names of its classes in the metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"_type": "Value", "dtype": "string"}
    for name, columns in splits.items():
        table = pyarrow.table(columns)
        described = {column: features.get(column, values) for column in columns}
        metadata = {"huggingface": json.dumps({"info": {"features": described}})}
        parquet.write_table(table.replace_schema_metadata(metadata), folder / f"{name}.parquet")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder for datasets in the hub's layout."""
    monkeypatch.setenv("AFT_DATA", str(tmp_path / "hub"))
    return tmp_path / "hub"


def sentences(word, count=3):
    return [f"{word} {n}" for n in range(count)]


def test_a_known_name_has_its_columns_splits_and_classes(hub):
    splits = {
        name: {"sentence": sentences(name), "label": [0, 1, 1], "idx": [0, 1, 2]}
        for name in ("test", "train", "validation")
    }
    write(hub / "sst2", splits, label=classes("negative", "positive"))
    dataset = Dataset.from_hub("sst2")
    assert dataset.labels == ["negative", "positive", "positive"] * 3
    assert dataset.splits == ["train"] * 3 + ["validation"] * 3 + ["test"] * 3
    assert dataset.inputs[0] == "train 0"
    assert dataset.source == {"kind": "text", "path": "sst2", "text": "sentence", "label": "label"}
    assert open_dataset("sst2").ids == open_dataset(hub / "sst2").ids == dataset.ids


def test_hidden_test_labels_leave_the_test_to_the_validation_split(hub):
    hidden = {"sentence1": sentences("a"), "sentence2": sentences("b"), "label": [-1, -1, -1]}
    known = {**hidden, "label": [0, 1, 0]}
    other = {**known, "sentence1": sentences("c")}
    write(hub / "mrpc", {"train": known, "validation": other, "test": hidden}, label=classes("no", "yes"))
    dataset = Dataset.from_hub("mrpc")
    assert dataset.splits == ["train"] * 3 + ["test"] * 3
    assert dataset.kind == "pair"
    assert dataset.inputs[3] == ("c 0", "b 0")


def test_images_of_several_rows_are_stored_once_and_belong_to_them_by_their_paths(hub):
    folder = hub / "flickr8k-matching"
    pairs = {"path": ["b.png", "a.png", "b.png"], "caption": sentences("text"), "label": ["match", "no", "no"]}
    write(folder, {"train": pairs, "test": {**pairs, "caption": sentences("other")}})
    for split, colours in (("train", ("red", "blue")), ("test", ("lime", "black"))):
        images = [
            {"bytes": encoded(colour), "path": path} for path, colour in zip(("a.png", "b.png"), colours, strict=True)
        ]
        write(folder, {f"{split}-images": {"image": images}})
    dataset = Dataset.from_hub("flickr8k-matching")
    assert (dataset.kind, dataset.splits) == ("image+text", ["train"] * 3 + ["test"] * 3)
    seen = [(image.getpixel((0, 0)), text) for image, text in dataset.inputs]
    assert seen[0] == ((0, 0, 255), "text 0")
    assert seen[1] == ((255, 0, 0), "text 1")
    assert seen[3] == ((0, 0, 0), "other 0")
    assert dataset.groups is None  # the data has splits of its own


def encoded(colour):
    """A picture of one colour, as PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_split_without_labels_may_be_training_samples(hub):
    labelled = {"text": sentences("a"), "label": [0, 1, 0]}
    unlabelled = {"text": sentences("c"), "label": [-1, -1, -1]}
    parts = {"train": labelled, "test": {**labelled, "text": sentences("b")}, "unsupervised": unlabelled}
    write(hub / "imdb", parts, label=classes("neg", "pos"))
    dataset = Dataset.from_hub("imdb")
    assert dataset.splits == ["train"] * 6 + ["test"] * 3
    assert dataset.labels[3:6] == [None, None, None]


def test_numbered_parts_are_one_split_and_images_stay_encoded(hub):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (9, 0, 0)).save(buffer, "PNG")

    def pictures(*labels):
        cells = [{"bytes": buffer.getvalue(), "path": f"{label}.png"} for label in labels]
        return {"img": cells, "label": list(labels)}

    parts = {"train-00000-of-00002": pictures(0, 1), "train-00001-of-00002": pictures(1), "test": pictures(0)}
    write(hub / "cifar10", parts, img={"_type": "Image"}, label=classes("cat", "dog"))
    dataset = Dataset.from_hub("cifar10")
    assert (dataset.labels, dataset.splits) == (["cat", "dog", "dog", "cat"], ["train"] * 3 + ["test"])
    assert dataset.inputs[3].getpixel((0, 0)) == (9, 0, 0)


def test_any_other_name_has_the_usual_columns_or_given_ones(hub):
    columns = {"text": sentences("a"), "title": sentences("b"), "label": [0, 1, 0], "stars": [1, 5, 3]}
    write(hub / "mine", {"train": columns}, label=classes("no", "yes"))
    assert Dataset.from_hub("mine").labels == ["no", "yes", "no"]
    given = Dataset.from_hub("mine", text="title", label="stars")
    assert (given.inputs[0], given.labels) == ("b 0", [1, 5, 3])
    write(hub / "odd", {"train": {"body": sentences("a")}})
    assert Dataset.from_hub("odd", text="body").labels is None


def test_what_cannot_be_read_is_one_sentence(hub, tmp_path):
    write(hub / "odd", {"train": {"body": sentences("a")}})
    write(hub / "tested", {"test": {"text": sentences("a")}})
    with pytest.raises(
        DataError, match="needs a column of inputs; 'odd' has the columns 'body'; name one with text= or image="
    ):
        Dataset.from_hub("odd")
    with pytest.raises(DataError, match="'odd' has no column 'bodies'; did you mean 'body'"):
        Dataset.from_hub("odd", text="bodies")
    with pytest.raises(DataError, match="needs a training split; 'tested' has 'test'"):
        Dataset.from_hub("tested")
    with pytest.raises(DataError, match="or a name that aft knows; received 'sst22'; did you mean 'sst2'"):
        open_dataset("sst22")
    with pytest.raises(UsageError, match="has splits and images of its own; received split='part'"):
        open_dataset("odd", split="part")
    (hub / "odd" / "train.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        Dataset.from_hub("odd", text="body")


def test_the_library_datasets_gives_the_same(hub, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    parts = {name: {"text": sentences(name), "label": [1, 0, 1]} for name in ("train", "test")}
    write(hub / "mine", parts, label=classes("no", "yes"))
    read = {name: split.read(["text", "label"]) for name, split in _download(str(hub / "mine"), None, None).items()}
    assert read["train"] == {"text": sentences("train"), "label": ["yes", "no", "yes"]}
    assert set(read) == {"train", "test"}


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch):
    monkeypatch.delenv("AFT_DATA", raising=False)
    monkeypatch.setattr("aft.data._from_hub.hub_access", lambda _: 1 / 0)
    with pytest.raises(DataError, match="'nyu-mll/glue' could not be read .*; check the name and the network"):
        Dataset.from_hub("cola")


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_data_sets_load(name):
    """Those of the folder that AFT_DATA names; elsewhere only their entries are checked."""
    known = CATALOGUE[name]
    assert known.columns.keys() <= {"text", "text_pair", "image", "label"}
    if not os.environ.get("AFT_DATA") or find_local(name) is None:
        return
    dataset = Dataset.from_hub(name)
    assert dataset.kind == known.kind
    assert set(dataset.splits) >= {"train", "test"}
    assert all(label is not None for label in dataset.labels)
    assert Path(os.environ["AFT_DATA"]).is_dir()


def test_images_that_their_owners_give_away_themselves(hub, tmp_path, monkeypatch):
    import datasets
    from PIL import Image

    asked = []
    rows = {
        "Flickr30K_ID": ["11", "22"],
        "sentence2": ["A man sleeps.", "A dog runs."],
        "gold_label": ["neutral", "entailment"],
    }

    def load(kind, data_files):
        asked.append((kind, data_files))
        return datasets.DatasetDict({split: datasets.Dataset.from_dict(rows) for split in data_files})

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setenv("AFT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="received no folder 'flickr30k-images' in the one that AFT_DATA names"):
        Dataset.from_hub("snli-ve")
    (tmp_path / "flickr30k-images").mkdir()
    for name in rows["Flickr30K_ID"]:
        Image.new("RGB", (8, 8)).save(tmp_path / "flickr30k-images" / f"{name}.jpg")
    dataset = Dataset.from_hub("snli-ve")
    assert dataset.modality == ("image", "text")
    assert dataset.splits == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert dataset.inputs[1][1] == "A dog runs."
    assert dataset.labels[:2] == ["neutral", "entailment"]
    assert asked[0] == ("json", {
        "train": "hf://datasets/HuggingFaceM4/SNLI-VE/snli_ve_train.jsonl",
        "validation": "hf://datasets/HuggingFaceM4/SNLI-VE/snli_ve_dev.jsonl",
        "test": "hf://datasets/HuggingFaceM4/SNLI-VE/snli_ve_test.jsonl",
    })  # fmt: skip
