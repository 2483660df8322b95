"""Repairing a corrupt store, and merging several stores."""

import random
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from aft.cli import app
from aft.errors import CorruptStoreError, FingerprintError, StoreError, UsageError
from aft.features import FeatureStore, Sample, StoreWriter, merge, repair, verify

ROWS, DIM = 20, 5


def samples(start=0, stop=ROWS, digest="ab"):
    return [Sample(f"id{n}", digest * 32) for n in range(start, stop)]


def vector(sample_id):
    return np.full(DIM, int(sample_id[2:]) / 8)


def extract(folder, listed=None, *, stop_after=None, **fingerprint):
    """Run an extraction and return the number of shards that it computed."""
    writer = StoreWriter.plan(
        folder, name="t", fingerprint={"model": "m", **fingerprint}, dim=DIM, samples=listed or samples(), shard_rows=4
    )
    pending = writer.pending()[:stop_after]
    for shard in pending:
        writer.commit(shard, np.stack([vector(sample.id) for sample in writer.samples(shard)]))
    if not writer.pending():
        writer.finish()
    return len(pending)


def damage(path, kind, other, chance):
    content = bytearray(path.read_bytes())
    if kind in ("flip", "cut") and not content:
        return  # an earlier cut has left nothing to damage
    if kind == "flip":
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    elif kind == "cut":
        path.write_bytes(content[: chance.randrange(len(content))])
    elif kind == "grow":
        path.write_bytes(content + b"\0")
    elif kind == "remove":
        path.unlink()
    elif kind == "swap":
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()
        path.symlink_to(other)


@given(
    damages=st.lists(
        st.tuples(st.integers(0, 100), st.sampled_from(["flip", "cut", "grow", "remove", "swap", "link"])), max_size=4
    ),
    seed=st.integers(0, 1 << 30),
    unfinished=st.booleans(),
)
@example(damages=[(2, "remove")], seed=0, unfinished=True)
@example(damages=[(2, "remove")], seed=0, unfinished=False)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_extraction_completes_after_the_repair_of_any_damage(tmp_path, damages, seed, unfinished):
    folder = tmp_path / "t"
    shutil.rmtree(folder, ignore_errors=True)
    extract(folder, stop_after=3 if unfinished else None)
    chance = random.Random(seed)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for position, kind in damages:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
        if len(files) > 1:
            damage(files[position % len(files)], kind, files[(position + 1) % len(files)], chance)
    damaged = {name for name in before if not (folder / name).is_file() or (folder / name).read_bytes() != before[name]}
    # A store without a manifest is unfinished, and a missing record is a shard that is not computed yet.
    finished = (folder / "manifest.json").exists()
    try:
        actions = repair(folder)
    except StoreError as error:
        # Without a plan and a manifest the shards are unknown, and nothing is changed.
        assert "extract the features again with overwrite=True" in str(error)
        assert "plan.json" in damaged
        return
    assert bool(actions) or not (finished and damaged)
    assert repair(folder) == []
    extract(folder)
    assert verify(folder) == []
    store = FeatureStore.open(folder)
    assert sorted(store.ids) == sorted(sample.id for sample in samples())
    for sample_id in store.ids:
        assert np.array_equal(store[sample_id], vector(sample_id).astype(np.float16))


def test_intact_shards_are_not_computed_again(tmp_path):
    extract(tmp_path / "t")
    before = {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()}
    assert repair(tmp_path / "t") == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()} == before
    path = tmp_path / "t" / "shard-000002.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    (action,) = repair(tmp_path / "t")
    assert action.startswith("shard 2 was removed: ")
    assert "shard-000002.npy" in action
    with pytest.raises(StoreError, match="4 of 5 shards"):
        FeatureStore.open(tmp_path / "t")
    assert extract(tmp_path / "t") == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()} == before


@pytest.mark.parametrize("name", ["manifest.json", "index"])
def test_corrupt_manifest_or_index_is_rebuilt(tmp_path, name):
    extract(tmp_path / "t")
    before = {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()}
    path = next((tmp_path / "t").glob(f"{name}*"))
    path.write_bytes(path.read_bytes()[:-3])
    assert "rebuilt" in repair(tmp_path / "t")[0]
    assert {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()} == before


def test_corrupt_plan_is_rebuilt_from_the_manifest_and_records(tmp_path):
    extract(tmp_path / "t")
    before = (tmp_path / "t" / "plan.json").read_bytes()
    (tmp_path / "t" / "plan.json").write_bytes(b"{}")
    assert "the plan was rebuilt" in repair(tmp_path / "t")[0]
    assert (tmp_path / "t" / "plan.json").read_bytes() == before


def test_nothing_changes_if_neither_plan_nor_manifest_is_readable(tmp_path):
    extract(tmp_path / "t", stop_after=2)
    (tmp_path / "t" / "plan.json").write_bytes(b"?")
    before = {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()}
    with pytest.raises(StoreError, match="has neither"):
        repair(tmp_path / "t")
    assert {path.name: path.read_bytes() for path in (tmp_path / "t").iterdir()} == before


def test_repair_command(tmp_path):
    extract(tmp_path / "t")
    run = CliRunner().invoke
    assert "nothing was changed" in run(app, ["inspect", str(tmp_path / "t"), "--repair"]).output
    (tmp_path / "t" / "shard-000001.npy").unlink()
    output = run(app, ["inspect", str(tmp_path / "t"), "--repair"]).output
    assert "shard 1 was removed" in output
    assert "run the same extraction again" in output


def test_stores_of_subsets_are_merged(tmp_path):
    extract(tmp_path / "one" / "t", samples(0, 9))
    extract(tmp_path / "two" / "t", samples(7, 20))
    store = merge([tmp_path / "one" / "t", tmp_path / "two" / "t"], out=tmp_path / "all")
    assert store.ids == [f"id{n}" for n in range(20)]
    assert verify(store.path) == []
    for sample_id in store.ids:
        assert np.array_equal(store[sample_id], vector(sample_id).astype(np.float16))
    before = {path.name: path.read_bytes() for path in store.path.iterdir()}
    merge([tmp_path / "one" / "t", tmp_path / "two" / "t"], out=tmp_path / "all")
    assert {path.name: path.read_bytes() for path in store.path.iterdir()} == before
    # An extraction over the whole dataset resumes from the merged store and has nothing to compute.
    assert extract(store.path, samples()) == 0


def test_merging_one_store_writes_what_an_extraction_would(tmp_path):
    extract(tmp_path / "one" / "t")
    store = merge([tmp_path / "one" / "t"], out=tmp_path / "all")
    writer = StoreWriter.plan(tmp_path / "again", name="t", fingerprint={"model": "m"}, dim=DIM, samples=samples())
    for shard in writer.pending():
        writer.commit(shard, np.stack([vector(sample.id) for sample in writer.samples(shard)]))
    writer.finish()
    assert {p.name: p.read_bytes() for p in store.path.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()
    }


def test_incompatible_stores_are_not_merged(tmp_path):
    extract(tmp_path / "one" / "t", samples(0, 9))
    extract(tmp_path / "other" / "t", samples(5, 12), weights="others")
    extract(tmp_path / "changed" / "t", samples(5, 12, "cd"))
    with pytest.raises(FingerprintError, match="weights: expected None"):
        merge([tmp_path / "one" / "t", tmp_path / "other" / "t"], out=tmp_path / "all")
    with pytest.raises(FingerprintError, match="4 ids, 'id5'"):
        merge([tmp_path / "one" / "t", tmp_path / "changed" / "t"], out=tmp_path / "all")
    with pytest.raises(UsageError, match="choose another out="):
        merge([tmp_path / "one" / "t"], out=tmp_path / "one")
    with pytest.raises(UsageError, match="at least one store"):
        merge([], out=tmp_path / "all")
    writer = StoreWriter.plan(
        tmp_path / "wrong" / "t", name="t", fingerprint={"model": "m"}, dim=DIM, samples=samples(8, 10)
    )
    writer.commit(0, np.zeros((2, DIM)))
    writer.finish()
    with pytest.raises(UsageError, match="differs from earlier stores for ids 'id8'"):
        merge([tmp_path / "one" / "t", tmp_path / "wrong" / "t"], out=tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_corrupt_stores_are_not_merged(tmp_path):
    extract(tmp_path / "one" / "t")
    path = tmp_path / "one" / "t" / "shard-000001.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(CorruptStoreError, match=r"shard-000001\.npy"):
        merge([tmp_path / "one" / "t"], out=tmp_path / "all")
    with pytest.raises(StoreError, match="0 of"):
        FeatureStore.open(tmp_path / "all" / "t")


def test_merge_command(tmp_path):
    extract(tmp_path / "one" / "t", samples(0, 9))
    extract(tmp_path / "two" / "t", samples(9, 20))
    result = CliRunner().invoke(app, ["merge", str(tmp_path / "one" / "t"), str(tmp_path / "two" / "t"), "--out", str(tmp_path / "all")])  # fmt: skip
    assert result.output.strip() == str(tmp_path / "all" / "t")
