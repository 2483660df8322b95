import csv

import pytest

from aft.data import Dataset, check_leakage, make_splits
from aft.errors import DataError, LeakageError

USUAL = {"validation_fraction": 0.25, "test_fraction": 0.2, "seed": 0, "unlabelled": "use", "leakage": "error"}


def texts(count, labels=None, **columns):
    labels = [("pos", "neg")[n % 2] for n in range(count)] if labels is None else labels
    return Dataset.from_arrays(
        [f"text {n}" for n in range(count)], labels, ids=[f"id{n}" for n in range(count)], **columns
    )


def test_leaks_are_found_by_id_content_and_group():
    with pytest.raises(LeakageError, match="1 ids on both sides, 'a'"):
        check_leakage(["a"], ["1"], ["a"], ["2"])
    with pytest.raises(LeakageError, match="content is also in training, ids 'b'"):
        check_leakage(["a"], ["1"], ["b"], ["1"])
    with pytest.raises(LeakageError, match="no group may be in training and in the test split; .* 'g'"):
        check_leakage(["a"], ["1"], ["b"], ["2"], train_groups=["g"], test_groups=["g"])
    check_leakage(["a"], ["1"], ["b"], ["2"], train_groups=[None], test_groups=[None])


def test_missing_splits_are_held_out(tmp_path):
    dataset = texts(60, ["pos" if n % 2 else "neg" if n % 4 else None for n in range(60)])
    splits = make_splits(dataset, **USUAL)
    parts = [set(part.tolist()) for part in (splits.search_train, splits.validation, splits.test)]
    assert set.union(*parts) == set(range(60))
    assert sum(map(len, parts)) == 60
    assert parts[0] | parts[1] == set(splits.train.tolist())
    assert all(dataset.labels[i] is not None for i in parts[1] | parts[2])
    splits.write(tmp_path / "splits.csv", dataset)
    with (tmp_path / "splits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [path.name for path in tmp_path.iterdir()] == ["splits.csv"]
    assert {row["id"] for row in rows if row["split"] == "validation"} == {dataset.ids[i] for i in parts[1]}
    assert {row["trained"] for row in rows if row["split"] == "test"} == {"no"}
    assert {row["trained"] for row in rows if row["split"] != "test"} == {"yes"}


def test_splits_of_the_data_are_kept():
    names = ["train"] * 20 + ["validation"] * 6 + ["test"] * 4
    splits = make_splits(texts(30, splits=names), **USUAL)
    assert splits.train.tolist() == splits.search_train.tolist() == list(range(20))
    assert splits.validation.tolist() == list(range(20, 26))
    assert splits.test.tolist() == list(range(26, 30))


def test_leaks_can_be_dropped_from_training(caplog):
    names = ["train"] * 20 + ["test"] * 4
    groups = ["g", *[None] * 22, "g"]
    dataset = texts(24, splits=names, groups=groups)
    with pytest.raises(LeakageError, match="leakage='drop'"):
        make_splits(dataset, **USUAL)
    splits = make_splits(dataset, **{**USUAL, "leakage": "drop"})
    assert splits.train.tolist() == list(range(1, 20))
    assert "1 samples are also in the test split and were dropped" in caplog.text


def test_unlabelled_samples_are_used_skipped_or_rejected():
    dataset = texts(40, [("a", "b", None, None)[n % 4] for n in range(40)])
    used = make_splits(dataset, **USUAL)
    skipped = make_splits(dataset, **{**USUAL, "unlabelled": "skip"})
    assert len(used.train) == len(skipped.train) + 20
    with pytest.raises(DataError, match="with unlabelled='error' .*; 20 have none, first 'id2'"):
        make_splits(dataset, **{**USUAL, "unlabelled": "error"})
    with pytest.raises(DataError, match="none of 4 samples has one; name the column with label="):
        make_splits(texts(4, [None] * 4), **USUAL)
