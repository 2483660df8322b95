"""Samples without a label from elsewhere."""

import csv
import logging
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import aft
from aft.data import Dataset, open_dataset, open_unlabelled
from aft.errors import DataError
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture


def arrays(texts, labels=None, **columns):
    return Dataset.from_arrays(list(texts), labels, **columns)


def test_they_are_for_training_and_have_no_label():
    reviews = arrays(["good", "bad", "fine"], labels=[1, 0, 1], ids=["a", "b", "c"], splits=["train", "train", "test"])
    found = reviews.with_unlabelled(arrays(["other", "more"], labels=[0, 0], ids=["d", "e"], splits=["test", "test"]))
    assert list(found.ids) == ["a", "b", "c", "d", "e"]
    assert list(found.labels) == [1, 0, 1, None, None]
    assert list(found.splits) == ["train", "train", "test", "train", "train"]
    assert [found[place].input for place in range(5)] == ["good", "bad", "fine", "other", "more"]
    assert list(found.digests) == list(arrays(["good", "bad", "fine", "other", "more"]).digests)
    assert reviews.with_unlabelled(arrays(["other"])).labels[3] is None
    assert arrays(["good"]).with_unlabelled(arrays(["other"])).labels is None


def test_what_the_dataset_has_already_is_left_out(caplog):
    caplog.set_level(logging.INFO, logger="aft")
    reviews = arrays(["good", "bad"], labels=[1, 0], ids=["a", "b"])
    found = reviews.with_unlabelled(arrays(["bad", "new", "new", "good"], ids=["b", "x", "y", "z"]))
    assert list(found.ids) == ["a", "b", "x"]
    assert "3 samples of the unlabelled data are in the dataset already, or repeated; they are left out" in caplog.text
    assert reviews.with_unlabelled(arrays(["good"], ids=["z"])) is reviews


def test_what_cannot_be_added_is_said():
    reviews = arrays(["good", "bad"], ids=["a", "b"])
    with pytest.raises(DataError, match="the unlabelled data has 'b' for other inputs than the dataset"):
        reviews.with_unlabelled(arrays(["new"], ids=["b"]))
    with pytest.raises(DataError, match="inputs of the dataset's modality, text; received pair"):
        reviews.with_unlabelled(arrays([("one", "two")]))


@given(st.lists(st.text("ab", min_size=1), min_size=1), st.lists(st.text("ab", min_size=1), min_size=1), st.randoms())
def test_any_selection_of_any_two(own, more, random):
    own = list(dict.fromkeys(own))
    found = arrays(own).with_unlabelled(arrays(more))
    expected = own + [text for text in dict.fromkeys(more) if text not in own]
    assert list(found.inputs) == expected
    chosen = random.choices(range(len(expected)), k=5)
    inputs = pickle.loads(pickle.dumps(found.inputs.subset(chosen).subset([4, 0])))
    assert list(inputs) == [expected[chosen[4]], expected[chosen[0]]]
    assert [inputs.examine(0)] == list(arrays([expected[chosen[4]]]).digests)


def test_a_table_needs_neither_ids_nor_labels_and_images_may_lie_in_a_folder(tmp_path):
    generator = np.random.default_rng(0)
    for folder, count in (("own", 2), ("more", 3)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(
                tmp_path / folder / f"{number}.png"
            )
    (tmp_path / "own.csv").write_text("id,file,label\na,own/0.png,x\nb,own/1.png,y\n")
    columns = {"image": "file", "label": "label", "id": "id"}
    own = open_dataset(tmp_path / "own.csv", **columns)
    found = own.with_unlabelled(open_unlabelled(tmp_path / "more", **columns))
    assert sorted(found.ids) == ["a", "b", "more/0.png", "more/1.png", "more/2.png"]
    assert found[4].input.size == (8, 8)
    pictures = open_dataset(tmp_path / "own").with_unlabelled(open_unlabelled(tmp_path / "more"))
    assert {"0.png", "more/0.png"} <= set(pictures.ids)
    (tmp_path / "more.csv").write_text("file\nmore/0.png\nmore/2.png\n")
    found = own.with_unlabelled(open_unlabelled(tmp_path / "more.csv", **columns))
    assert list(found.ids) == ["a", "b", "more/0.png", "more/2.png"]
    assert list(found.labels) == ["x", "y", None, None]


def test_the_commands_take_a_second_table(reviews, tmp_path, aft_command):  # noqa: F811
    with reviews.open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "more.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["sentence"], *([f"{row['sentence']} {number}"] for number, row in enumerate(rows))]
        )
    data = [reviews, "--text", "sentence", "--id", "id", "--unlabelled-data", tmp_path / "more.csv"]
    teacher = "letters=python:tests.conftest:bag_of_letters"
    assert aft_command("extract", *data, "--teacher", teacher, "--out", tmp_path / "features")[0] == 0
    store = aft.FeatureStore.open(tmp_path / "features" / "letters")
    assert len(store) == 2 * len(rows)
    settings = ["--student", "aft:static,width=16,hidden=16,vocabulary=200", "--beta", 1, "--steps", 5, "--lr", 0.01]
    status, _, err = aft_command(
        "train", *data, "--label", "label", "--features", store.path, *settings, "--out", tmp_path / "run"
    )
    assert status == 0, err
    assert f"unlabelled_data={tmp_path / 'more.csv'}" in err
    assert aft.Run.open(tmp_path / "run").result.samples.unlabelled == len(rows) + sum(not row["label"] for row in rows)
    assert aft_command("predict", tmp_path / "run", tmp_path / "more.csv", "--out", tmp_path / "answers.csv")[0] == 0
