"""Stores in object storage: a local S3 server, and machines that share nothing but the bucket."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest

import aft
from aft.errors import CorruptStoreError, FingerprintError, MissingExtraError, StoreError, UsageError
from aft.extraction import extract
from aft.features import FeatureStore, Sample, StoreWriter, merge, repair, verify
from aft.features._mirror import Mirror
from tests.conftest import Bucket
from tests.extraction.test_processes import TEACHER, texts


@pytest.fixture
def another_machine(tmp_path, monkeypatch):
    """Switch to a machine with an empty cache."""
    machines = iter(range(100))
    return lambda: monkeypatch.setenv("AFT_CACHE", str(tmp_path / f"machine{next(machines)}"))


def local(tmp_path, dataset=None, **options):
    store = extract(
        dataset or texts(),
        TEACHER,
        name="t",
        out=tmp_path / "local",
        shard_rows=8,
        threads=1,
        progress=False,
        **options,
    )
    return {path.name: path.read_bytes() for path in store.path.iterdir()}


def remote(bucket, dataset=None, **options):
    return extract(
        dataset or texts(), TEACHER, name="t", out=bucket.url, shard_rows=8, threads=1, progress=False, **options
    )


def test_extraction_uploads_the_same_bytes_and_another_machine_reads_them(bucket, tmp_path, another_machine):
    store = remote(bucket)
    assert bucket.files() == local(tmp_path)
    assert store.location == f"{bucket.url}/t"
    another_machine()
    read = FeatureStore.open(f"{bucket.url}/t")
    ids = ["3", "59", "0"]
    np.testing.assert_array_equal(read[ids], FeatureStore.open(tmp_path / "local" / "t")[ids])
    assert read.path != store.path
    assert verify(f"{bucket.url}/t") == []
    assert "s3://" in repr(read)


@pytest.mark.parametrize("views", [1, 3])
def test_two_processes_upload_the_same_bytes(bucket, tmp_path, views):
    remote(bucket, processes=2, views=views)
    assert bucket.files() == local(tmp_path, views=views)


def test_local_files_are_not_downloaded_again(bucket, monkeypatch):
    remote(bucket)
    requested = []
    chunks = Mirror._chunks
    monkeypatch.setattr(Mirror, "_chunks", lambda self, name: (requested.append(name), chunks(self, name))[1])
    FeatureStore.open(f"{bucket.url}/t")
    assert not any(name.endswith((".npy", ".jsonl")) for name in requested)


@pytest.mark.parametrize("after", [0, 3, 9, 14, 22, 24])
def test_interruptions_lose_only_uncommitted_shards(bucket, tmp_path, another_machine, monkeypatch, after):
    uploaded = []
    push = Mirror._push

    def failing(self, name):
        if len(uploaded) == after:
            raise StoreError("object storage must respond")
        uploaded.append(name)
        push(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "_push", failing)
        with pytest.raises(StoreError):
            remote(bucket)
    another_machine()
    committed = [name for name in bucket.files() if name.endswith(".json") and name.startswith("shard")]
    with pytest.raises(StoreError):
        FeatureStore.open(f"{bucket.url}/t")
    computed = []
    commit = StoreWriter.commit
    monkeypatch.setattr(StoreWriter, "commit", lambda *a: (computed.append(a[1]), commit(*a))[1])
    remote(bucket)
    assert len(computed) == 8 - len(committed)
    assert bucket.files() == local(tmp_path)


def test_shards_committed_only_locally_are_uploaded_on_the_next_run(bucket, tmp_path, monkeypatch):
    alone = local(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "push_shard", lambda self, shard: None)
        patch.setattr(Mirror, "push_manifest", lambda self: None)
        remote(bucket)
    assert not [name for name in bucket.files() if name.endswith(".npy")]
    monkeypatch.setattr(StoreWriter, "commit", lambda *a: pytest.fail("computed again"))
    remote(bucket)
    assert bucket.files() == alone


@pytest.mark.parametrize("kind", ["flipped", "truncated", "longer", "swapped", "future", "gone"])
@pytest.mark.parametrize("name", ["shard-000002.npy", "shard-000002.ids.jsonl", "shard-000002.json", "plan.json", "manifest.json"])  # fmt: skip
def test_corrupt_remote_files_are_never_read_and_their_address_is_named(bucket, tmp_path, another_machine, kind, name):
    remote(bucket)
    good = bucket.files()
    raw = good[name]
    if kind == "gone":
        bucket.delete(name)
    else:
        bucket.write(name, {
            "flipped": raw[:-30] + bytes([raw[-30] ^ 4]) + raw[-29:], "truncated": raw[:-1], "longer": raw + b"\n",
            "swapped": good[name.replace("2", "3")] if "2" in name else good["shard-000001.json"],
            "future": raw.replace(b'"format": 1', b'"format": 2'),
        }[kind])  # fmt: skip
    another_machine()
    if kind == "future" and not name.endswith(".json"):
        assert FeatureStore.open(f"{bucket.url}/t").dim == 16
        return
    with pytest.raises(StoreError, match=bucket.name):
        FeatureStore.open(f"{bucket.url}/t")
    another_machine()
    try:
        remote(bucket)
    except CorruptStoreError:
        remote(bucket, overwrite=True)
    except StoreError:
        assert kind == "future" or (kind, name) == ("gone", "plan.json")
        bucket.write(name, raw)
    another_machine()
    assert len(FeatureStore.open(f"{bucket.url}/t").ids) == 60
    assert bucket.files() == local(tmp_path)


def test_foreign_files_are_never_removed(bucket, another_machine):
    bucket.write("thesis.txt", b"years of work")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(StoreError, match=r"contains 'thesis\.txt'"):
            remote(bucket, **options)
    assert bucket.files() == {"thesis.txt": b"years of work"}
    bucket.delete("thesis.txt")
    for name in ("shard-000000.tar", "index-train.csv", "shard-000000.npy"):
        bucket.write(name, b"mine")
        with pytest.raises(StoreError, match=name.replace(".", r"\.")):
            remote(bucket)
        assert bucket.files() == {name: b"mine"}
        bucket.delete(name)
    remote(bucket)
    bucket.write("notes.txt", b"mine")
    another_machine()
    extract(texts(), "python:tests.conftest:bag_of_letters", name="t", out=bucket.url, progress=False, overwrite=True)
    assert bucket.files()["notes.txt"] == b"mine"
    bucket.write("shard-000000.npy", b"broken")
    another_machine()
    remote(bucket, overwrite=True)
    assert bucket.files()["notes.txt"] == b"mine"


def test_new_samples_add_shards_and_other_machines_see_them(bucket, another_machine):
    first = remote(bucket, texts(60))
    another_machine()
    assert len(FeatureStore.open(f"{bucket.url}/t")) == 60
    remote(bucket, texts(70))
    assert len(FeatureStore.open(f"{bucket.url}/t")) == 70
    another_machine()
    remote(bucket, texts(75))
    assert len(FeatureStore.open(first.location)) == 75


def test_concurrent_extractions_keep_each_others_commits(bucket, another_machine, monkeypatch):
    """B plans more samples while A commits."""
    monkeypatch.setenv("AFT_CACHE", str(bucket.machine("a")))
    some = [Sample(f"id{n}", "") for n in range(20)]
    options = {"name": "t", "fingerprint": {}, "dim": 2, "shard_rows": 4}
    url = f"{bucket.url}/t"
    a = StoreWriter.plan(url, samples=some[:16], **options)
    a.commit(0, np.full((4, 2), 0))
    pull = Mirror.pull

    def slow(self):
        pull(self)
        monkeypatch.setenv("AFT_CACHE", str(bucket.machine("a")))
        for shard in (1, 2):
            a.commit(shard, np.full((4, 2), shard))

    with monkeypatch.context() as patch:
        patch.setenv("AFT_CACHE", str(bucket.machine("b")))
        patch.setattr(Mirror, "pull", slow)
        b = StoreWriter.plan(url, samples=some, **options)
    a.commit(3, np.full((4, 2), 3))
    a.finish()
    another_machine()
    assert len(FeatureStore.open(url)) == 16
    b.refresh()
    assert b.pending() == [4]
    b.commit(4, np.full((4, 2), 4))
    b.finish()
    another_machine()
    assert FeatureStore.open(url)[["id5", "id19"]].tolist() == [[1, 1], [4, 4]]


def test_commits_of_another_machine_replace_local_data(bucket, monkeypatch):
    """Two machines that round differently compute one shard; the interrupted one reads the other's."""
    url, options = f"{bucket.url}/t", {"name": "t", "fingerprint": {}, "dim": 2, "samples": [Sample("a", "")]}
    monkeypatch.setenv("AFT_CACHE", str(bucket.machine("a")))
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "push_shard", lambda self, shard: self._push(self.layout.data(shard).name))
        StoreWriter.plan(url, **options).commit(0, np.array([[1.0, 2.0]]))
    monkeypatch.setenv("AFT_CACHE", str(bucket.machine("b")))
    other = StoreWriter.plan(url, **options)
    other.commit(0, np.array([[1.0, 2.5]]))
    other.finish()
    monkeypatch.setenv("AFT_CACHE", str(bucket.machine("a")))
    assert FeatureStore.open(url)["a"].tolist() == [1.0, 2.5]


def test_another_teacher_is_rejected_unless_overwrite_is_set(bucket, another_machine):
    remote(bucket)
    other = "python:tests.conftest:bag_of_letters"
    another_machine()
    with pytest.raises(FingerprintError, match=bucket.name):
        extract(texts(), other, name="t", out=bucket.url, progress=False)
    extract(texts(), other, name="t", out=bucket.url, progress=False, overwrite=True)
    another_machine()
    assert FeatureStore.open(f"{bucket.url}/t").dim == 26


RANK = (
    "import os; os.environ['AFT_CACHE'] += os.environ['RANK']; "  # machines that share no cache
    "from aft.cli import main; main()"
)


@pytest.mark.parametrize("interrupted", [False, True])
def test_ranks_that_share_only_the_bucket_write_the_bytes_of_one(bucket, tmp_path, free_port, monkeypatch, interrupted):
    if interrupted:  # on the second machine, between a commit and its upload

        def failing(self, shard):
            raise StoreError("object storage must respond")

        with monkeypatch.context() as patch:
            patch.setenv("AFT_CACHE", str(bucket.machine("1")))
            patch.setattr(Mirror, "push_shard", failing)
            with pytest.raises(StoreError):
                remote(bucket)
    table, dataset = tmp_path / "t.csv", texts()
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *zip(dataset.ids, dataset.inputs, strict=True)])
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()), "--no-python",
        sys.executable, "-c", RANK, "extract", str(table), "--text", "text", "--id", "id", "--teacher", f"t={TEACHER}",
        "--out", bucket.url, "--shard-rows", "8", "--threads", "1",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{bucket.url}/t"]
    assert bucket.files() == local(tmp_path)
    for machine in ("0", "1"):
        (copy,) = (tmp_path / f"cache{machine}").glob("stores/*/t")
        assert len(list(copy.glob("shard-*.npy"))) == 8


def test_training_merging_and_importing_accept_addresses(bucket, dataset, tmp_path):
    store = extract(dataset, "python:tests.conftest:bag_of_letters", name="letters", out=bucket.url, progress=False)
    run = aft.train(
        dataset, "aft:static,width=8,hidden=8,vocabulary=100", [store.location], method="aft", beta=1, steps=5, out=tmp_path / "run", progress=False
    )  # fmt: skip
    assert run.error is not None
    merged = merge([store.location], out=f"s3://{bucket.name}/merged")
    assert merged.ids == store.ids
    np.save(tmp_path / "api.npy", np.ones((3, 4), dtype=np.float32))
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    imported = aft.import_features(tmp_path / "api.npy", ids=tmp_path / "ids.txt", name="api", out=bucket.url)
    assert imported.location == f"{bucket.url}/api"
    assert FeatureStore.open(f"{bucket.url}/api")["b"].tolist() == [1, 1, 1, 1]


def test_unreachable_storage_is_explained(bucket, monkeypatch):
    with pytest.raises(StoreError, match="does not; create one with aft extract"):
        FeatureStore.open(f"{bucket.url}/nothing")
    with pytest.raises(StoreError, match="object storage must respond"):
        remote(Bucket(bucket.client, "no-such-bucket"))
    with pytest.raises(StoreError, match="one that fsspec supports"):
        FeatureStore.open("what://bucket/t")
    with pytest.raises(UsageError, match="only a directory of this machine"):
        repair(f"{bucket.url}/t")
    with pytest.raises(MissingExtraError, match="needs a package of fsspec"):
        FeatureStore.open("gs://bucket/t")
