"""Samples keep what belongs to them, whatever container they come in."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from aft.data import Dataset
from aft.errors import DataError

TEXTS = [f"text {n}" for n in range(6)]
LABELS = [f"label {n}" for n in range(6)]
PARTS = ["train", "val", "test", "training", "dev", "Test"]
ROWS = pd.DataFrame({"text": TEXTS, "label": LABELS, "id": list("abcdef"), "part": PARTS}).sample(
    frac=1, random_state=3
)


def columns_of(frame):
    frames = {"pandas": frame, "subset": frame[2:], "polars": pl.from_pandas(frame), "arrow": pa.table({n: frame[n].tolist() for n in frame})}  # fmt: skip
    return frames.items()


@pytest.mark.parametrize(("kind", "frame"), columns_of(ROWS))
def test_columns_are_read_by_position(kind, frame):
    data = Dataset.from_arrays(frame["text"], frame["label"], ids=frame["id"], splits=frame["part"], groups=frame["id"])
    assert len(data) == (4 if kind == "subset" else 6)
    for sample_id, text, label, split, group in zip(
        data.ids, data.inputs, data.labels, data.splits, data.groups, strict=True
    ):
        number = "abcdef".index(sample_id)
        assert (text, label, group) == (TEXTS[number], LABELS[number], sample_id)
        assert split == ["train", "validation", "test"][number % 3]


def test_the_rows_of_a_frame_of_numbers_are_its_samples():
    frame = pd.DataFrame(np.arange(10.0).reshape(5, 2))
    data = Dataset.from_arrays(frame, list("aabbb"))
    assert data.inputs[1].tolist() == [2, 3]
    with pytest.raises(
        DataError, match=r"inputs are one column, or columns of numbers; received a DataFrame of others; use Da"
    ):
        Dataset.from_arrays(ROWS, LABELS)
    assert Dataset.from_arrays(ROWS[["text"]], ROWS[["label"]]).labels == ROWS["label"].tolist()


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        ("a text", None, "inputs are a sequence; received str"),
        ({"a": 1}, None, "inputs are a sequence; received dict"),
        ((n for n in TEXTS), None, "inputs are a sequence; received generator"),
        (TEXTS, {"a": 1}, "targets are a sequence; received dict"),
        (["a", None], None, "received NoneType"),
        (["a", float("nan")], None, "it is of the modality array, and the first input of the modality text"),
        ([("a", "b"), ("a", "b", "c")], None, "received tuple"),
        ([[1, 2], [1]], None, None),
        ([[1, 2], [[1], 2]], None, "an array input is one array of numbers"),
    ],
)
def test_what_is_no_sequence_of_inputs(inputs, targets, message):
    if message is None:
        assert len(Dataset.from_arrays(inputs, targets, ids=["a", "b"])) == 2  # sequences of different lengths
        return
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(inputs, targets, ids=["a", "b"]).verified()


def test_items_that_are_no_records():
    for items in (["hello", "world"], np.arange(6.0).reshape(3, 2)):
        with pytest.raises(DataError, match="every item needs 0; received an item of the type"):
            Dataset.from_map(items)
    data = Dataset.from_map([{"text": "a"}, {"text": "b", "label": 1}], input="text", label="label")
    assert data.labels == [None, 1]
    assert Dataset.from_map([("a",), ("b",)]).labels is None
    for ids in ([7, 8], np.array([7, 8]), torch.tensor([7, 8])):
        assert Dataset.from_map([("a", 1), ("b", 2)], ids=ids).ids == ["7", "8"]
    with pytest.raises(DataError, match="received <NA>"):
        Dataset.from_map([("a", 1), ("b", 2)], splits=["train", pd.NA])
    with pytest.raises(DataError, match="did you mean 'test'"):
        Dataset.from_map([("a", 1), ("b", 2)], splits=["train", "tets"])


def test_missing_labels_and_groups_of_any_kind():
    data = Dataset.from_arrays(
        TEXTS, [1, pd.NA, pd.NaT, None, float("nan"), 2], groups=["a", pd.NA, float("nan"), "", None, "b"]
    )
    assert data.labels == [1, None, None, None, None, 2]
    assert data.groups == ["a", None, None, None, None, "b"]
    with pytest.raises(DataError, match="in which one is missing"):
        Dataset.from_arrays(TEXTS, [["x", None]] * 6)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([[0, 1, 1], [1, 0, 0]], [("1", "2"), ("0",)]),  # a 0 or 1 for each class
        ([[0, 1], [1, 0]], [("1",), ("0",)]),
        ([[0.0, 1.0], [1.0, 0.0]], [("1",), ("0",)]),
        ([[torch.tensor(0), torch.tensor(1)], [torch.tensor(1), torch.tensor(0)]], [("1",), ("0",)]),
        ([np.array([0, 1]), np.array([1])], [("0", "1"), ("1",)]),  # as pandas has lists of classes
        ([np.array(["b", "a"]), np.array(["a"])], [("b", "a"), ("a",)]),
        ([{"b", "a"}, frozenset({"a"})], [("a", "b"), ("a",)]),
        ([[2.0], [1.0, 0.0]], [("2",), ("1", "0")]),
        ([[0, 1, 1], [1]], [("0", "1", "1"), ("1",)]),
        ([np.array([0, 1, 1]), np.array([1, 0, 0])], [("1", "2"), ("0",)]),
        ([["a"], ["b", "a"]], [("a",), ("b", "a")]),
    ],
)
def test_lists_of_labels(labels, expected):
    assert Dataset.from_arrays(TEXTS[:2], labels).labels == expected


def test_tables_with_columns_of_one_name(tmp_path):
    (tmp_path / "a.csv").write_text("text,label,label\na,x,y\n")
    twice = pa.table([pa.array(["a"]), pa.array(["x"]), pa.array(["y"])], names=["text", "label", "label"])
    for table in (tmp_path / "a.csv", pd.DataFrame([["a", "x", "y"]], columns=["text", "label", "label"]), twice):
        with pytest.raises(DataError, match="has? ?several named 'label'|several named 'label'; rename them"):
            Dataset.from_table(table, text="text", label="label")


def test_arrow_tables_in_memory_are_read_as_from_their_file(tmp_path):
    metadata = b'{"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}'
    table = pa.table({"text": TEXTS[:3], "label": [0, -1, 1]}).replace_schema_metadata({b"huggingface": metadata})
    assert Dataset.from_table(table, text="text", label="label").labels == ["no", None, "yes"]


@pytest.mark.parametrize("cell", [b"bytes", ["a", "b"], {"a": 1}])
def test_cells_that_are_no_texts(cell):
    with pytest.raises(DataError, match=f"a text is a string; received {type(cell).__name__}"):
        Dataset.from_table(pa.table({"text": [cell]}), text="text")
