import json

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aft.data import Dataset, Targets, check_leakage, hold_out
from aft.errors import DataError, LeakageError, UsageError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_is_read_by_column(tmp_path):
    path = write(tmp_path / "t.csv", '\ufeffid,text,label,part,who\n1,"one, two",a,train,x\n2,three,,test,y\n')
    dataset = Dataset.from_table(path, text="text", label="label", id="id", split="part", group="who")
    assert dataset.ids == ["1", "2"]
    assert [dataset.inputs[0], dataset.inputs[1]] == ["one, two", "three"]
    assert dataset.labels == ["a", None]
    assert dataset.splits == ["train", "test"]
    assert dataset.groups == ["x", "y"]


def test_semicolons_and_tabs_are_found(tmp_path):
    for name, mark in (("t.csv", ";"), ("t.tsv", "\t"), ("u.csv", "\t")):
        path = write(tmp_path / name, mark.join(["text", "label"]) + "\n" + mark.join(["a, b", "x"]) + "\n")
        assert Dataset.from_table(path, text="text", label="label").inputs[0] == "a, b"


def test_jsonl_and_parquet_hold_the_same(tmp_path):
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


def test_ids_are_content_hashes_and_repeats_are_counted(tmp_path):
    path = write(tmp_path / "t.csv", "text\na\nb\na\n")
    ids = Dataset.from_table(path, text="text").ids
    assert ids[2] == f"{ids[0]}-2"
    assert ids == Dataset.from_table(path, text="text").ids


def test_a_folder_gives_classes_splits_and_unlabelled(pictures):
    dataset = Dataset.from_folder(pictures)
    assert dataset.ids[0] == "blue/00.png"
    assert set(dataset.labels) == {"red", "blue"}
    (pictures / "red" / "00.png").rename(pictures / "loose.png")
    assert Dataset.from_folder(pictures).labels[Dataset.from_folder(pictures).ids.index("loose.png")] is None
    (pictures / "loose.png").unlink()
    (pictures / "train").mkdir()
    for name in ("red", "blue"):
        (pictures / name).rename(pictures / "train" / name)
    (pictures / "val" / "red").mkdir(parents=True)
    (pictures / "train" / "red" / "01.png").rename(pictures / "val" / "red" / "x.png")
    dataset = Dataset.from_folder(pictures)
    assert dataset.splits.count("validation") == 1
    assert set(dataset.labels) == {"red", "blue"}


def test_transparency_is_white_and_pictures_are_upright(tmp_path):
    from PIL import Image

    Image.new("RGBA", (2, 3), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    sideways = Image.new("RGB", (4, 2))
    exif = sideways.getexif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "sideways.jpg", exif=exif)
    dataset = Dataset.from_folder(tmp_path)
    assert dataset.inputs[0].getpixel((0, 0)) == (255, 255, 255)
    assert dataset.inputs[1].size == (2, 4)


def test_arrays_and_map_style_datasets(tmp_path):
    values, labels = np.arange(12.0).reshape(4, 3), [0, 1, 0, None]
    dataset = Dataset.from_arrays(values, labels, ids=list("abcd"))
    assert dataset.inputs[1].dtype == np.float32
    assert dataset.labels == [0, 1, 0, None]
    assert Dataset.from_arrays(torch.tensor(values), labels).digests == dataset.digests
    items = [{"text": f"t{i}", "y": i % 2} for i in range(4)]
    mapped = Dataset.from_map(items, input="text", label="y")
    assert mapped.kind == "text"
    assert mapped.labels == [0, 1, 0, 1]
    with pytest.raises(DataError, match="name the key"):
        Dataset.from_map(items, input="txt")


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=12, max_size=80),
    groups=st.integers(1, 12),
    fraction=st.sampled_from([0.1, 0.2, 0.5]),
    seed=st.integers(0, 5),
)
@example(
    labels=[*"aaaaaaaab", None, *"ccbccbccc"], groups=1, fraction=0.1, seed=1
)  # two strata of one size, nothing held out at first
def test_a_cut_keeps_groups_and_equal_inputs_together_and_ignores_order(labels, groups, fraction, seed):
    n = len(labels)
    digests = [f"{i % max(2, n - 3):032x}" for i in range(n)]
    names = [f"g{i % groups}" if i % 3 else None for i in range(n)]
    try:
        held = hold_out(digests, labels, fraction=fraction, seed=seed, groups=names)
    except DataError:
        return
    assert 0 < held.sum() < n
    for key in (digests, names):
        for value in {k for k in key if k is not None}:
            assert len({bool(held[i]) for i in range(n) if key[i] == value}) == 1
    order = np.random.default_rng(seed).permutation(n)
    again = hold_out(
        [digests[i] for i in order],
        [labels[i] for i in order],
        fraction=fraction,
        seed=seed,
        groups=[names[i] for i in order],
    )
    assert {digests[i] for i in np.flatnonzero(held)} == {digests[order[i]] for i in np.flatnonzero(again)}


def test_a_cut_is_stratified():
    labels = ["rare"] * 10 + ["common"] * 190
    held = hold_out([f"{i:032x}" for i in range(200)], labels, fraction=0.2, seed=0)
    assert sum(held[:10]) == 2
    assert sum(held[10:]) == 38


def test_leaks_are_found_by_id_content_and_group():
    with pytest.raises(LeakageError, match="1 ids on both sides, 'a'"):
        check_leakage(["a"], ["1"], ["a"], ["2"])
    with pytest.raises(LeakageError, match="content is also in training, ids 'b'"):
        check_leakage(["a"], ["1"], ["b"], ["1"])
    with pytest.raises(LeakageError, match="no group may be on both sides; .* 'g'"):
        check_leakage(["a"], ["1"], ["b"], ["2"], train_groups=["g"], test_groups=["g"])
    check_leakage(["a"], ["1"], ["b"], ["2"], train_groups=[None], test_groups=[None])


@pytest.mark.parametrize(
    ("labels", "kind", "outputs"),
    [
        (["x", "y", None], "classification", 2),
        ([0, 1, 1], "classification", 2),
        (["0.5", "1.5", "2"], "regression", 1),
        (list(range(30)), "regression", 1),
        ([("a", "b"), ()], "multilabel", 2),
        ([True, False], "classification", 2),
    ],
)
def test_the_task_is_inferred(labels, kind, outputs):
    targets = Targets.infer(labels)
    assert (targets.kind, targets.outputs) == (kind, outputs)


def test_labels_are_encoded_and_unknown_ones_named():
    targets = Targets.infer(["b", "a"])
    encoded, has = targets.encode(["a", None, "b"], list("xyz"))
    assert encoded.tolist() == [0, 0, 1]
    assert has.tolist() == [True, False, True]
    with pytest.raises(DataError, match="received 'c', first at id 'z'"):
        targets.encode(["a", "b", "c"], list("xyz"))
    values = Targets.infer(["1.5", "2.5", None], "regression")
    assert values.encode(["1.5", "2.5"], ["x", "y"])[0].tolist() == [-1.0, 1.0]
    many = Targets.infer(["a|b", "c"], "multilabel")
    assert many.encode(["c|a"], ["x"])[0].tolist() == [[1, 0, 1]]


def test_bad_inputs_can_be_skipped_and_are_counted(tmp_path, pictures):
    path = write(tmp_path / "t.csv", "id,text\n1,fine\n2,  \n3,good\n")
    dataset = Dataset.from_table(path, text="text", id="id", bad_inputs="skip")
    assert dataset.ids == ["1", "3"]
    assert dataset.skipped[0] == ("2", "the text is empty")
    raw = (pictures / "red" / "03.png").read_bytes()
    (pictures / "red" / "03.png").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=r"1 of 40 that are not, first 'red/03\.png': the image cannot be decoded"):
        Dataset.from_folder(pictures).verified()
    kept = Dataset.from_folder(pictures).verified("skip")
    assert len(kept) == 39
    assert [s.id for s in kept.skipped] == ["red/03.png"]
    assert len(kept.labels) == 39


def test_a_folder_has_no_columns(pictures):
    from aft.data import open_dataset

    with pytest.raises(UsageError, match="--text"):
        open_dataset(pictures, text="x")
