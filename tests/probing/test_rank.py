import numpy as np
import pytest

import aft
from aft.data import Dataset
from aft.errors import UnknownIdError, UsageError
from aft.training import TrainConfig, Training
from tests.conftest import sentences

PARTS = ["train"] * 70 + ["validation"] * 25 + ["test"] * 25


def made(splits=None, flipped=()):
    rows = sentences(120)
    labels = [{"pos": "neg", "neg": "pos"}[y] if i in flipped else y for i, (_, _, y) in enumerate(rows)]
    return Dataset.from_arrays([text for _, text, _ in rows], labels, ids=[i for i, _, _ in rows], splits=splits)


def stored(dataset, folder, *names):
    factories = {"letters": "bag_of_letters", "half": "half_of_the_letters"}
    return [
        aft.extract(dataset, f"python:tests.conftest:{factories[name]}", name=name, out=folder, progress=False)
        for name in names
    ]


def told(rows):
    return [(row.name, row.dim, row.probe_error, row.logme, row.samples) for row in rows]


def test_teachers_are_ordered_by_the_probe_and_several_are_tried_together(tmp_path):
    stores = stored(made(), tmp_path, "half", "letters")
    rows = aft.rank(made(), stores)
    assert {row.name for row in rows} == {"letters", "half", "half + letters"}
    assert [row.probe_error for row in rows] == sorted(row.probe_error for row in rows)
    assert {row.name: row.dim for row in rows} == {"letters": 26, "half": 13, "half + letters": 39}
    assert all(row.samples == 19 and row.seconds > 0 for row in rows)
    assert str(next(row for row in rows if row.name == "half")).startswith("half (13): probe error 0.")
    assert [row.name for row in aft.rank(made(), stores[0])] == ["half"]


def test_labels_of_the_test_part_play_no_part_and_those_of_validation_do(tmp_path):
    stores = stored(made(PARTS), tmp_path, "half", "letters")
    expected = told(aft.rank(made(PARTS), stores))
    assert told(aft.rank(made(PARTS, flipped=range(95, 120)), stores)) == expected
    assert told(aft.rank(made(PARTS, flipped=range(70, 95)), stores)) != expected


def test_test_samples_need_no_features(tmp_path):
    everything = made(PARTS)
    (store,) = stored(everything.subset(np.arange(95)), tmp_path, "letters")
    assert aft.rank(everything, store)[0].samples == 25
    (less,) = stored(everything.subset(np.arange(50)), tmp_path / "less", "letters")
    with pytest.raises(UnknownIdError):
        aft.rank(everything, less)


def test_the_data_is_cut_as_training_cuts_it(tmp_path):
    stores = stored(made(), tmp_path, "letters")
    config = TrainConfig.of(student="aft:static,width=8,hidden=8,vocabulary=100")
    training = Training(made(), config.student, stores, config, progress=False)
    dataset, parts = training.dataset, training.parts

    def part(members):
        return [dataset.ids[i] for i in members], training.targets.encode(
            [dataset.labels[i] for i in members], members
        )[0]

    error = aft.evaluation.probe_error(stores, training.targets, part(parts.inner), part(parts.validation)).error
    assert aft.rank(made(), stores)[0].probe_error == error


def test_ranking_needs_a_teacher():
    with pytest.raises(UsageError, match="name a store with --features"):
        aft.rank(made(), [])
