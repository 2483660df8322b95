"""Features of several views of each sample."""

import shutil

import numpy as np
import pytest
import torch

import aft
from aft.data import Dataset, Views
from aft.errors import BadFeatureError, CorruptStoreError, FingerprintError, UsageError
from aft.extraction import estimate, extract, extract_all
from aft.features import FeatureStore, StoreWriter, merge, verify
from tests.conftest import letters, sentences

TEACHER = "python:tests.conftest:bag_of_letters"
SETTINGS = {"name": "letters", "views": 3, "progress": False}


@pytest.fixture
def texts():
    rows = sentences(40)
    return Dataset.from_arrays([text for _, text, _ in rows], ids=[sample_id for sample_id, _, _ in rows])


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_view_has_the_features_of_its_input(texts, tmp_path):
    store = extract(texts, TEACHER, out=tmp_path, shard_rows=7, **SETTINGS)
    assert (len(store), store.views, store.dim) == (40, 3, 26)
    assert store.fingerprint["views"] == 3
    assert store.fingerprint["augmentation"] == "span-dropout-1"
    views = Views(texts.modality, 3)
    for index in (0, 6, 7, 39):
        row = store.rows([texts.ids[index]])
        for number in range(3):
            expected = letters(views.of(texts.inputs[index], texts.ids[index], number)).numpy()
            assert np.array_equal(store.take(row, number)[0], expected)
    assert np.array_equal(store[texts.ids], store.take(store.rows(texts.ids)))
    numbers = np.arange(40) % 3
    mixed = store.take(store.rows(texts.ids), numbers)
    assert np.array_equal(mixed, store.take_views(store.rows(texts.ids))[np.arange(40), numbers])
    assert np.array_equal(store.tensor(texts.ids, numbers).numpy(), mixed.astype(np.float32))


def test_a_view_that_the_store_lacks_is_never_read(texts, tmp_path):
    store = extract(texts, TEACHER, out=tmp_path, **SETTINGS)
    for number in (3, -1):
        with pytest.raises(UsageError, match="a view is a number below the store's 3"):
            store.take(store.rows(texts.ids[:2]), np.array([0, number]))


def test_a_single_view_changes_nothing(texts, tmp_path):
    extract(texts, TEACHER, out=tmp_path / "a", name="letters", progress=False)
    extract(texts, TEACHER, out=tmp_path / "b", name="letters", views=1, view_seed=7, progress=False)
    assert contents(tmp_path / "a/letters") == contents(tmp_path / "b/letters")


def test_interrupted_and_shared_extractions_write_the_same_bytes(texts, tmp_path, monkeypatch):
    whole = extract(texts, TEACHER, out=tmp_path / "a", shard_rows=9, **SETTINGS)
    commit, calls = StoreWriter.commit, []

    def interrupted(self, shard, features):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(shard)
        commit(self, shard, features)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            extract(texts, TEACHER, out=tmp_path / "b", shard_rows=9, **SETTINGS)
    extract(texts, TEACHER, out=tmp_path / "b", shard_rows=9, **SETTINGS)
    extract(texts, TEACHER, out=tmp_path / "c", shard_rows=9, processes=2, threads=1, **SETTINGS)
    for other in ("b", "c"):
        assert contents(tmp_path / other / "letters") == contents(whole.path)


def test_other_views_are_other_features(texts, tmp_path):
    extract(texts, TEACHER, out=tmp_path, **SETTINGS)
    with pytest.raises(FingerprintError, match="views: expected 4, .* has 3"):
        extract(texts, TEACHER, out=tmp_path, **(SETTINGS | {"views": 4}))
    with pytest.raises(FingerprintError, match="view_seed: expected 1, .* has 0"):
        extract(texts, TEACHER, out=tmp_path, view_seed=1, **SETTINGS)
    assert extract(texts, TEACHER, out=tmp_path, view_seed=1, overwrite=True, **SETTINGS).fingerprint["view_seed"] == 1


def test_stores_with_views_are_merged(texts, tmp_path):
    halves = [
        extract(texts.subset(part), TEACHER, out=tmp_path / str(number), **SETTINGS)
        for number, part in enumerate((range(25), range(15, 40)))
    ]
    merged = merge(halves, out=tmp_path / "merged")
    whole = extract(texts, TEACHER, out=tmp_path / "whole", **SETTINGS)
    rows = merged.rows(texts.ids)
    assert merged.views == 3
    assert np.array_equal(merged.take_views(rows), whole.take_views(whole.rows(texts.ids)))
    single = extract(texts, TEACHER, out=tmp_path / "single", name="letters", progress=False)
    with pytest.raises(FingerprintError, match="views: expected 3, .* has None"):
        merge([halves[0], single], out=tmp_path / "no")


def test_a_flipped_bit_in_any_view_is_noticed(texts, tmp_path):
    path = extract(texts, TEACHER, out=tmp_path, **SETTINGS).path
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    (data,) = copy.glob("shard-*.npy")
    raw = bytearray(data.read_bytes())
    raw[-3] ^= 4  # in the last view of the last sample
    data.write_bytes(raw)
    assert verify(copy)
    store = FeatureStore.open(copy)
    with pytest.raises(CorruptStoreError, match="checksum"):
        store.take(store.rows([texts.ids[-1]]), 2)


def test_shards_hold_fewer_samples_so_that_an_interruption_costs_no_more(tmp_path):
    rows = sentences(600)
    data = Dataset.from_arrays([text for _, text, _ in rows], ids=[name for name, _, _ in rows])
    assert [record.rows for record in extract(data, TEACHER, out=tmp_path, **SETTINGS).records] == [85] * 7 + [5]


def test_teachers_of_one_pass_see_the_same_views(texts, tmp_path):
    half = "python:tests.conftest:half_of_the_letters"
    one, other = extract_all(texts, {"a": TEACHER, "b": half}, out=tmp_path, views=4, progress=False)
    rows = one.rows(texts.ids)
    assert np.array_equal(one.take_views(rows)[..., :13], other.take_views(other.rows(texts.ids)))


def test_the_estimate_and_the_log_count_views(texts, tmp_path, caplog):
    text = str(estimate(texts, TEACHER, name="letters", out=tmp_path / "x", views=3))
    assert "40 of 40 samples to compute, 3 views, 26 dimensions" in text
    with caplog.at_level("INFO", logger="aft"):
        store = extract(texts, TEACHER, out=tmp_path, **SETTINGS)
    assert "computed 40 samples x 3 views x 26 dimensions" in caplog.text
    assert "40 x 3 views x 26" in repr(store)


def test_bad_features_of_a_view_name_the_sample(texts, tmp_path, monkeypatch):
    def broken(self, input):
        bad = input.clone()
        bad[-1, 0] = float("nan")
        return bad

    monkeypatch.setattr("tests.conftest.Bag.forward", broken)
    with pytest.raises(BadFeatureError, match="id"):
        extract(texts, TEACHER, out=tmp_path, **SETTINGS)


def test_what_has_no_augmentation_has_one_view(tmp_path):
    data = Dataset.from_arrays(np.ones((4, 26), dtype=np.float32), ids=list("abcd"))
    with pytest.raises(UsageError, match="augmentation is for images and texts"):
        aft.extract(data, torch.nn.Identity(), out=tmp_path, views=2, progress=False)
    with pytest.raises(UsageError, match="views= is at least 1"):
        aft.extract(data, torch.nn.Identity(), out=tmp_path, views=0, progress=False)
