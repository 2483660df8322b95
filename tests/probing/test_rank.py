"""The ranking of teachers: its order, the samples it uses, and its splits, which are those of training."""

import csv

import numpy as np
import pytest

import aft
from aft.data import Dataset, Targets
from aft.errors import UnknownIdError, UsageError
from aft.probing import probe_error
from tests.conftest import sentences

SPLITS = ["train"] * 70 + ["validation"] * 25 + ["test"] * 25


def reviews_dataset(splits=None, flipped=()):
    """120 sentences; the labels at the positions `flipped` are swapped."""
    rows = sentences(120)
    labels = [{"pos": "neg", "neg": "pos"}[y] if i in flipped else y for i, (_, _, y) in enumerate(rows)]
    return Dataset.from_arrays([text for _, text, _ in rows], labels, ids=[i for i, _, _ in rows], splits=splits)


def extract_stores(dataset, folder, *names):
    factories = {"letters": "bag_of_letters", "half": "half_of_the_letters"}
    return [
        aft.extract(dataset, f"python:tests.conftest:{factories[name]}", name=name, out=folder, progress=False)
        for name in names
    ]


def without_times(rows):
    return [(row.name, row.dim, row.probe_error, row.logme, row.samples) for row in rows]


def test_teachers_are_sorted_by_probe_error_and_also_combined(tmp_path):
    stores = extract_stores(reviews_dataset(), tmp_path, "half", "letters")
    rows = aft.rank(reviews_dataset(), stores)
    assert {row.name for row in rows} == {"letters", "half", "half + letters"}
    assert [row.probe_error for row in rows] == sorted(row.probe_error for row in rows)
    assert {row.name: row.dim for row in rows} == {"letters": 26, "half": 13, "half + letters": 39}
    assert all(row.samples == 19 and row.seconds > 0 for row in rows)
    assert str(next(row for row in rows if row.name == "half")).startswith("half (13): probe error 0.")
    assert [row.name for row in aft.rank(reviews_dataset(), stores[0])] == ["half"]


def test_validation_labels_affect_the_ranking_and_test_labels_do_not(tmp_path):
    stores = extract_stores(reviews_dataset(SPLITS), tmp_path, "half", "letters")
    expected = without_times(aft.rank(reviews_dataset(SPLITS), stores))
    assert without_times(aft.rank(reviews_dataset(SPLITS, flipped=range(95, 120)), stores)) == expected
    assert without_times(aft.rank(reviews_dataset(SPLITS, flipped=range(70, 95)), stores)) != expected


def test_test_samples_need_no_features(tmp_path):
    everything = reviews_dataset(SPLITS)
    (store,) = extract_stores(everything.subset(np.arange(95)), tmp_path, "letters")
    assert aft.rank(everything, store)[0].samples == 25
    (incomplete,) = extract_stores(everything.subset(np.arange(50)), tmp_path / "incomplete", "letters")
    with pytest.raises(UnknownIdError):
        aft.rank(everything, incomplete)


def test_the_ranking_uses_the_same_splits_as_training(tmp_path):
    dataset = reviews_dataset()
    stores = extract_stores(dataset, tmp_path / "features", "letters")
    student = "aft:static,width=8,hidden=8,vocabulary=100"
    aft.train(dataset, student, stores, out=tmp_path / "run", beta=1.0, steps=2, progress=False)
    with (tmp_path / "run" / "splits.csv").open(newline="") as file:
        split_of = {row["id"]: row["split"] for row in csv.DictReader(file)}
    targets = Targets.infer(dataset.labels)

    def ids_and_labels(split):
        pairs = [(i, label) for i, label in zip(dataset.ids, dataset.labels, strict=True) if split_of[i] == split]
        ids, labels = zip(*pairs, strict=True)
        return list(ids), targets.encode(list(labels), list(ids))[0]

    expected = probe_error(stores, targets, ids_and_labels("train"), ids_and_labels("validation"))
    (row,) = aft.rank(dataset, stores)
    assert (row.probe_error, row.samples) == (expected.error, expected.samples)


def test_ranking_needs_a_teacher():
    with pytest.raises(UsageError, match="name a store with features="):
        aft.rank(reviews_dataset(), [])
