import errno
import hashlib
import mmap
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aft.errors import (
    AftError,
    BadFeatureError,
    CorruptStoreError,
    FingerprintError,
    StoreError,
    UnknownIdError,
    UsageError,
)
from aft.features import FeatureStore, Sample, StoreWriter, import_features, verify

GOLDEN = Path(__file__).parent / "golden" / "teacher"


def digest(text):
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def samples(ids, version=""):
    return [Sample(i, digest(i + version)) for i in ids]


def vector(sample_id, dim, dtype=np.float32):
    seed = int.from_bytes(hashlib.sha256(sample_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(dim).astype(dtype)


def plan(folder, ids, dim=5, rows=4, dtype="float32", fingerprint=None, version="", **options):
    return StoreWriter.plan(
        folder, name="teacher", fingerprint=fingerprint or {"model": "m", "layer": None}, dim=dim,
        samples=samples(ids, version), dtype=dtype, shard_rows=rows, **options,
    )  # fmt: skip


def fill(writer, limit=None):
    for shard in writer.pending()[:limit]:
        writer.commit(shard, np.stack([vector(s.id, writer.dim) for s in writer.samples(shard)]))
    return writer


def make(folder, ids=tuple("abcdefghij"), **options):
    return fill(plan(folder, ids, **options)).finish()


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir())}


any_ids = st.lists(st.text(max_size=12), min_size=1, max_size=60, unique=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ids=any_ids,
    dim=st.integers(1, 9),
    rows=st.integers(1, 17),
    dtype=st.sampled_from(["float16", "float32"]),
    data=st.data(),
)
def test_features_are_read_back_by_id(tmp_path, ids, dim, rows, dtype, data):
    folder = tmp_path / digest(repr(ids) + str(dim))
    shutil.rmtree(folder, ignore_errors=True)
    store = make(folder, ids, dim=dim, rows=rows, dtype=dtype)
    requested = data.draw(st.lists(st.sampled_from(ids), max_size=80))
    expected = np.array([vector(i, dim).astype(dtype) for i in requested]).reshape(-1, dim)
    assert np.array_equal(store[requested], expected)
    assert store.ids == ids
    assert len(store) == len(ids)
    assert verify(folder) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=any_ids, cut=st.integers(0, 20), extra=st.integers(0, 30))
def test_resumed_extraction_writes_the_same_bytes(tmp_path, ids, cut, extra):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        shutil.rmtree(folder, ignore_errors=True)
    make(whole, ids)
    fill(plan(parts, ids), limit=cut)
    fill(plan(parts, ids)).finish()
    assert contents(whole) == contents(parts)


def test_new_samples_add_shards_and_existing_ones_are_kept(tmp_path):
    make(tmp_path / "s", "abcdef")
    before = contents(tmp_path / "s")
    writer = plan(tmp_path / "s", "fabcxyz")
    assert [s.id for shard in writer.pending() for s in writer.samples(shard)] == ["x", "y", "z"]
    assert FeatureStore.open(tmp_path / "s").ids == list("abcdef")  # the old manifest is still valid
    store = fill(writer).finish()
    after = contents(tmp_path / "s")
    assert all(after[name] == before[name] for name in before if name.startswith("shard-"))
    assert np.array_equal(store[["z", "a"]], np.stack([vector("z", 5), vector("a", 5)]))
    assert sum(name.startswith("index-") for name in after) == 1


def test_planned_shards_of_removed_samples_are_abandoned(tmp_path):
    fill(plan(tmp_path / "s", "abcdefgh"), limit=1)  # a-d committed, e-h not
    store = fill(plan(tmp_path / "s", "abcdex")).finish()
    assert sorted(store.ids) == sorted("abcdex")


def test_planning_a_finished_store_again_changes_nothing(tmp_path):
    make(tmp_path / "s")
    before = contents(tmp_path / "s")
    writer = plan(tmp_path / "s", "abcdefghij")
    assert writer.pending() == []
    writer.finish()
    assert contents(tmp_path / "s") == before


def test_mismatched_fingerprints_name_each_field(tmp_path):
    make(tmp_path / "s")
    with pytest.raises(
        FingerprintError, match=r"layer: expected 'avgpool', .* has None; model: expected 'n', .* has 'm'"
    ):
        plan(tmp_path / "s", "ab", fingerprint={"model": "n", "layer": "avgpool"})
    with pytest.raises(FingerprintError, match="dim: expected 6"):
        plan(tmp_path / "s", "ab", dim=6)
    assert fill(plan(tmp_path / "s", "ab", dim=6, overwrite=True)).finish().dim == 6


def test_other_processes_write_to_the_planned_store(tmp_path):
    same = {"name": "teacher", "fingerprint": {"model": "m", "layer": None}, "dim": 5, "dtype": "float32"}
    with pytest.raises(StoreError, match="has no plan; give all machines the same out="):
        StoreWriter.resume(tmp_path / "s", **same)
    planned = plan(tmp_path / "s", "abcdefghij")
    fill(StoreWriter.resume(tmp_path / "s", **same), limit=2)
    assert planned.pending() == [2]
    fill(StoreWriter.resume(tmp_path / "s", **same))
    planned.finish()
    assert contents(tmp_path / "s") == contents(make(tmp_path / "alone").path)
    with pytest.raises(FingerprintError, match=r"same model; .*'m'.*'other'|same model; .*'other'.*'m'"):
        StoreWriter.resume(tmp_path / "s", **{**same, "fingerprint": {"model": "other", "layer": None}})


def test_changed_inputs_are_detected_on_extraction_and_on_reading(tmp_path):
    store = make(tmp_path / "s")
    with pytest.raises(FingerprintError, match="inputs of 2 ids have changed since they were extracted, 'a', 'b'"):
        plan(tmp_path / "s", "ab", version="2")
    with pytest.raises(FingerprintError, match="2 inputs have changed .* ids 'a', 'b'"):
        store.rows(["a", "b"], [digest("a2"), digest("b2")])
    assert list(store.rows(["b"], [digest("b")])) == [1]


def test_missing_ids_are_named(tmp_path):
    store = make(tmp_path / "s")
    with pytest.raises(UnknownIdError, match="lacks 5 of 6 ids, 'q', 'r', 's' and 2 more; run aft extract"):
        store[["a", *"qrstu"]]
    assert "a" in store
    assert "q" not in store


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_values_out_of_range_are_rejected_with_their_ids(tmp_path, bad):
    writer = plan(tmp_path / "s", "abcd", dtype="float16")
    values = np.zeros((4, 5), np.float32)
    values[2, 1] = bad
    with pytest.raises(BadFeatureError, match="'c'"):
        writer.commit(0, values)
    assert writer.pending() == [0]
    with pytest.raises(BadFeatureError, match="one vector per sample"):
        writer.commit(0, np.zeros((3, 5)))


def test_unfinished_stores_report_their_progress(tmp_path):
    writer = fill(plan(tmp_path / "s", "abcdefgh"), limit=1)
    with pytest.raises(StoreError, match="1 of 2 shards"):
        FeatureStore.open(tmp_path / "s")
    with pytest.raises(StoreError, match="1 of 2 are missing"):
        writer.finish()
    make(tmp_path / "out" / "teacher")
    with pytest.raises(StoreError, match="did you mean .*teacher"):
        FeatureStore.open(tmp_path / "out")


def positions(size, count=40):
    return sorted({*range(min(size, 12)), size - 1, *np.linspace(0, size - 1, count).astype(int).tolist()})


def test_flipped_bits_are_detected_and_the_file_is_named(tmp_path):
    make(tmp_path / "s")
    for path in sorted((tmp_path / "s").iterdir()):
        raw = path.read_bytes()
        for position in positions(len(raw)):
            broken = bytearray(raw)
            broken[position] ^= 1 << (position % 8)
            path.write_bytes(broken)
            try:
                findings = verify(tmp_path / "s")
            except AftError as error:
                findings = [str(error)]
            # A flipped digest in the manifest changes the name of the index, which is then missing.
            named = path.name in " ".join(findings)
            assert findings, (path.name, position)
            assert named, (path.name, position, findings)
        path.write_bytes(raw)
    assert verify(tmp_path / "s") == []


def test_flipped_bits_are_never_read_silently(tmp_path):
    ids = list("abcdefghij")
    expected = make(tmp_path / "s", ids)[ids]
    for path in sorted((tmp_path / "s").iterdir()):
        raw = path.read_bytes()
        for position in positions(len(raw), 60):
            broken = bytearray(raw)
            broken[position] ^= 1 << (position % 7)
            path.write_bytes(broken)
            try:
                received = FeatureStore.open(tmp_path / "s")[ids]
            except CorruptStoreError:
                continue
            except AftError as error:
                assert "plan" not in path.name, error
                continue
            assert np.array_equal(received, expected)
        path.write_bytes(raw)


def test_truncated_files_are_detected(tmp_path):
    make(tmp_path / "s", "abcdef", dim=2)
    for path in sorted((tmp_path / "s").iterdir()):
        raw = path.read_bytes()
        for length in {0, 1, len(raw) // 2, len(raw) - 1}:
            path.write_bytes(raw[:length])
            if path.name != "plan.json":
                with pytest.raises(StoreError, match=path.name):
                    FeatureStore.open(tmp_path / "s")
            else:
                assert any("plan.json" in finding for finding in verify(tmp_path / "s"))
        path.write_bytes(raw)


@pytest.mark.parametrize(
    "suffixes", [[".npy"], [".json"], [".ids.jsonl"], [".npy", ".json"], [".npy", ".json", ".ids.jsonl"]]
)
def test_swapped_shards_are_detected(tmp_path, suffixes):
    make(tmp_path / "s", "abcdefgh")
    for suffix in suffixes:
        one, two = (tmp_path / "s" / f"shard-00000{n}{suffix}" for n in (0, 1))
        other = two.read_bytes()
        two.write_bytes(one.read_bytes())
        one.write_bytes(other)
    assert any("shard-000000" in finding for finding in verify(tmp_path / "s"))


def test_hostile_shards_are_rejected_without_being_parsed(tmp_path):
    make(tmp_path / "s", "abcdef")
    path = tmp_path / "s" / "shard-000000.npy"
    raw = path.read_bytes()
    huge = raw.replace(b"(4, 5)", b"(9, 9)")
    for content in (huge, b"\x80\x04." + raw[3:], raw + b"\0", b"\x93NUMPY\x01\x00\xff\xff" + raw[10:]):
        path.write_bytes(content)
        with pytest.raises(CorruptStoreError, match=r"shard-000000\.npy"):
            FeatureStore.open(tmp_path / "s")
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(CorruptStoreError, match="symbolic link"):
        FeatureStore.open(tmp_path / "s")


def test_newer_formats_ask_for_an_upgrade(tmp_path):
    make(tmp_path / "s")
    path = tmp_path / "s" / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(StoreError, match="upgrade aft"):
        FeatureStore.open(tmp_path / "s")


def test_pickled_stores_are_reopened(tmp_path):
    store = make(tmp_path / "s")
    assert np.array_equal(pickle.loads(pickle.dumps(store))[["c"]], store[["c"]])


def test_many_shards_are_read_without_open_files(tmp_path):
    ids = [str(n) for n in range(40)]
    store = make(tmp_path / "s", ids, rows=2)
    before = len(os.listdir("/proc/self/fd"))
    assert np.array_equal(store[ids[::-1]], np.stack([vector(i, 5) for i in ids[::-1]]))
    assert len(os.listdir("/proc/self/fd")) == before
    mapped = sum(f"{store.path}/shard-" in line for line in Path("/proc/self/maps").read_text().splitlines())
    assert mapped == 20
    del store
    assert str(tmp_path) not in Path("/proc/self/maps").read_text(), "the whole range goes with the store"


def test_files_that_the_system_does_not_map_are_named(tmp_path, monkeypatch):
    store = make(tmp_path / "s")
    monkeypatch.setattr("aft.features._mapped._mmap", lambda *_: 2**64 - 1)
    with pytest.raises(StoreError, match=r"mapped into memory.*shard-000000\.npy.*larger shard_rows="):
        store.take(np.array([0]))


def test_a_store_larger_than_the_address_space_is_named(tmp_path, monkeypatch):
    store = make(tmp_path / "s")

    def refuse(*_):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(StoreError, match="mapped into memory; received 'Cannot allocate memory' for .*ulimit -v"):
        store.take(np.array([0]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 700),
    dim=st.integers(1, 3000),
    views=st.integers(1, 3),
    dtype=st.sampled_from(["float16", "float32"]),
    data=st.data(),
)
def test_vectors_of_any_width_are_in_line_over_all_files(tmp_path, rows, dim, views, dtype, data):
    """Whatever a file leaves of its last page, and wherever blocks and views begin."""
    count = data.draw(st.integers(1, 3 * rows))
    folder = tmp_path / f"{rows}-{dim}-{views}-{dtype}-{count}"
    values = np.random.default_rng(rows).standard_normal((count, views * dim)).astype(dtype)
    writer = plan(folder, [str(n) for n in range(count)], dim * views, rows, dtype, {"model": "m", "views": views})
    for shard in writer.pending():
        writer.commit(shard, values[shard * rows : (shard + 1) * rows])
    store = writer.finish()
    chosen = np.array(data.draw(st.lists(st.integers(0, count - 1), max_size=20)), dtype=np.int64)
    seen = np.array([place % views for place in range(len(chosen))], dtype=np.int64)
    assert np.array_equal(store.take(chosen, seen), values.reshape(count, views, dim)[chosen, seen])
    store.verify()
    assert np.array_equal(store.take(chosen, views - 1), values.reshape(count, views, dim)[chosen, views - 1])
    shutil.rmtree(folder)


def test_several_threads_read_the_same_as_one(tmp_path):
    ids = [f"s{n}" for n in range(200)]
    fill(plan(tmp_path / "t", ids)).finish()
    chosen = [np.random.default_rng(n).integers(200, size=64) for n in range(60)]
    expected = [FeatureStore.open(tmp_path / "t").take(rows) for rows in chosen]
    store = FeatureStore.open(tmp_path / "t")
    with ThreadPoolExecutor(8) as threads:
        for got, wanted in zip(threads.map(store.take, chosen), expected, strict=True):
            assert np.array_equal(got, wanted)


def test_invalid_plans_are_rejected(tmp_path):
    with pytest.raises(UsageError, match="ids must be unique; received 'a' more than once"):
        plan(tmp_path / "s", "aba")
    with pytest.raises(UsageError, match="at least one sample"):
        plan(tmp_path / "s", "")
    with pytest.raises(UsageError, match="did you mean 'float16'"):
        plan(tmp_path / "s", "a", dtype="float61")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match=r"thesis\.txt"):
        plan(tmp_path / "s", "a")


def test_failed_writes_are_explained_and_leave_no_files(tmp_path, monkeypatch):
    writer = plan(tmp_path / "s", "abcd")
    monkeypatch.setattr("os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StoreError, match="No space left on device.*committed shards are kept"):
        writer.commit(0, np.zeros((4, 5)))
    assert not list((tmp_path / "s").glob(".writing-*"))


def test_golden_store_is_read_and_written_to_the_byte(tmp_path):
    ids = ["plain", "with/slash", "new\nline", "ünï", ""]
    store = FeatureStore.open(GOLDEN)
    assert store.ids == ids
    assert np.array_equal(store[ids], (np.arange(15).reshape(5, 3) / 8).astype(np.float16))
    writer = StoreWriter.plan(
        tmp_path / "teacher", name="teacher", fingerprint={"model": "golden", "layer": None}, dim=3,
        samples=samples(ids), dtype="float16", shard_rows=3,
    )  # fmt: skip
    for shard, part in ((0, slice(0, 3)), (1, slice(3, 5))):
        writer.commit(shard, np.arange(15).reshape(5, 3)[part] / 8)
    writer.finish()
    assert contents(tmp_path / "teacher") == contents(GOLDEN)


def test_imported_features_are_looked_up_by_id(tmp_path):
    values = np.random.default_rng(0).standard_normal((5, 7))
    np.save(tmp_path / "api.npy", values)
    (tmp_path / "ids.txt").write_text('a\nb\n"c\\nd"\ne\nf\n')
    store = import_features(tmp_path / "api.npy", ids=tmp_path / "ids.txt", name="api", out=tmp_path / "out")
    assert store.path == tmp_path / "out" / "api"
    assert np.array_equal(store[["c\nd", "a"]], values[[2, 0]].astype(np.float32))
    with pytest.raises(UsageError, match="5 rows and 1 ids"):
        (tmp_path / "few.txt").write_text("a\n")
        import_features(tmp_path / "api.npy", ids=tmp_path / "few.txt", name="api", out=tmp_path / "out")


@pytest.mark.parametrize("content", [np.array([{"a": 1}], dtype=object), np.zeros(3), np.array([["x"]])])
def test_imported_arrays_must_contain_numbers(tmp_path, content):
    np.save(tmp_path / "api.npy", content, allow_pickle=True)
    (tmp_path / "ids.txt").write_text("a\n")
    with pytest.raises(StoreError, match=r"numpy\.save"):
        import_features(tmp_path / "api.npy", ids=tmp_path / "ids.txt", name="api", out=tmp_path / "out")


def test_a_tensor_is_what_an_objective_takes(tmp_path):
    import torch

    fill(plan(tmp_path / "s", list("abcde"), dtype="float16")).finish()
    store = FeatureStore.open(tmp_path / "s")
    features = store.tensor(["c", "a"])
    assert features.dtype == torch.float32
    assert np.array_equal(features.numpy(), store[["c", "a"]].astype(np.float32))


@pytest.mark.parametrize("rows", [[-1], [10], [0, 3, 11]])
def test_rows_beyond_the_store_are_refused(tmp_path, rows):
    store = make(tmp_path / "teacher")
    with pytest.raises(UsageError, match=r"a row is a number below the store's 10; received"):
        store.take(np.array(rows))


def test_damage_is_found_again_and_again(tmp_path):
    make(tmp_path / "teacher")
    damaged = sorted((tmp_path / "teacher").glob("shard-*.npy"))[1]
    raw = bytearray(damaged.read_bytes())
    raw[-1] ^= 1
    damaged.write_bytes(raw)
    store = FeatureStore.open(tmp_path / "teacher")
    assert np.array_equal(store["a"], vector("a", 5))
    for _ in range(2):
        with pytest.raises(CorruptStoreError, match="does not match its checksum"):
            store.take(np.arange(10))
