import json

import pytest

from aft.data import Dataset
from aft.errors import DataError, UsageError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_columns_are_read_by_name(tmp_path):
    path = write(tmp_path / "t.csv", '\ufeffid,text,label,part,who\n1,"one, two",a,train,x\n2,three,,test,y\n')
    dataset = Dataset.from_table(path, text="text", label="label", id="id", split="part", group="who")
    assert dataset.ids == ["1", "2"]
    assert [dataset.inputs[0], dataset.inputs[1]] == ["one, two", "three"]
    assert dataset.labels == ["a", None]
    assert dataset.splits == ["train", "test"]
    assert dataset.groups == ["x", "y"]


def test_delimiters_are_detected(tmp_path):
    for name, delimiter in (("t.csv", ";"), ("t.tsv", "\t"), ("u.csv", "\t")):
        rows = [delimiter.join(["text", "label"]), delimiter.join(["a, b", "x"])]
        path = write(tmp_path / name, "\n".join(rows) + "\n")
        assert Dataset.from_table(path, text="text", label="label").inputs[0] == "a, b"


def test_jsonl_and_parquet_give_equal_datasets(tmp_path):
    import pyarrow
    from pyarrow import parquet

    rows = [{"a": "x", "b": "y", "tags": ["p", "q"]}, {"a": "z", "b": "w", "tags": []}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    one = Dataset.from_table(tmp_path / "t.jsonl", text="a", text_pair="b", label="tags")
    two = Dataset.from_table(tmp_path / "t.parquet", text="a", text_pair="b", label="tags")
    assert one.kind == "pair"
    assert one.inputs[0] == ("x", "y")
    assert one.ids == two.ids
    assert one.labels == two.labels == [("p", "q"), ()]


def test_default_ids_are_content_hashes_with_a_count_for_repeats(tmp_path):
    path = write(tmp_path / "t.csv", "text\na\nb\na\n")
    ids = Dataset.from_table(path, text="text").ids
    assert ids[2] == f"{ids[0]}-2"
    assert ids == Dataset.from_table(path, text="text").ids


def test_unreadable_texts_can_be_skipped(tmp_path):
    path = write(tmp_path / "t.csv", "id,text\n1,fine\n2,  \n3,good\n")
    dataset = Dataset.from_table(path, text="text", id="id", bad_inputs="skip")
    assert dataset.ids == ["1", "3"]
    assert dataset.skipped[0] == ("2", "the text is empty")
    with pytest.raises(DataError, match="leave them out with bad_inputs='skip'"):
        Dataset.from_table(path, text="text", id="id")


def test_messages_name_parameters(tmp_path):
    path = write(tmp_path / "t.csv", "id,text,image\n,one,../x.png\n1,two,y.png\n1,three,z.png\n")
    for columns, error, message in (
        ({}, UsageError, "received none; name their columns with text=, text_pair= and image="),
        ({"text_pair": "text", "image": "image"}, UsageError, "received image='image', text_pair='text'; name their"),
        ({"text": "text", "id": "id"}, DataError, "row 1 has none; fill in the cell, or leave out id="),
        (
            {"image": "image"},
            DataError,
            r"row 1 has '\.\./x\.png'; pass the folder that holds the images as image_root=",
        ),
    ):
        with pytest.raises(error, match=message):
            Dataset.from_table(path, **columns)
    path = write(tmp_path / "u.csv", "id,text\n1,two\n1,three\n")
    with pytest.raises(DataError, match="received duplicates of '1'; name a unique column with id="):
        Dataset.from_table(path, text="text", id="id")


def test_the_usual_words_for_a_missing_label_mean_no_label(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\na,1.5\nb,NA\nc,2\nd,NaN\ne,null\nf,None\ng,none\n")
    read = Dataset.from_table(path, text="text", label="label")
    assert read.labels == ["1.5", None, "2", None, None, None, "none"]
    assert read.missing == {"NA": 1, "NaN": 1, "null": 1, "None": 1}
    assert "missing" not in read.source


def test_other_words_can_be_named_for_a_missing_label(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\na,None\nb,?\nc,x\n")
    read = Dataset.from_table(path, text="text", label="label", missing="?, -")
    assert read.labels == ["None", None, "x"]
    assert read.source["missing"] == "?, -"
    assert Dataset.from_table(path, text="text", label="label", missing="").labels == ["None", "?", "x"]
    assert read.subset([1]).missing == {"?": 1}
