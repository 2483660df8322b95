"""Extraction on a Ray cluster of two nodes on this machine. An actor and a node are killed halfway."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from aft.data import Dataset
from aft.errors import TrainingError, UsageError
from aft.extraction import extract, extract_all
from aft.features import verify
from tests.conftest import wait_until
from tests.extraction.test_processes import TEACHER, contents, teacher, texts
from tests.models.test_image_text import TEACHERS as PARTS

NOTE = "AFT_TEST_NOTE"
#: Ray leaves sockets and files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


def recording_teacher():
    """The teacher of the other tests; it records its process and pauses after its first shard."""
    module, letters = teacher()
    forward, notes = module.forward, Path(os.environ[NOTE])
    mine = notes / str(os.getpid())

    def slow(input):
        if len(input) > 1:
            with mine.open("a") as file:
                file.write("x")
            deadline = time.monotonic() + 60
            while mine.stat().st_size > 1 and not (notes / "go").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
        return forward(input)

    module.forward = slow
    return module, letters


def deadly_teacher():
    """A python: factory of a teacher that kills its process."""
    module, letters = teacher()
    forward = module.forward

    def deadly(input):
        if len(input) > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(input)

    module.forward = deadly
    return module, letters


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Two nodes with one CPU each."""
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv(NOTE, str(tmp_path / "notes"))
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
    cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.CRITICAL)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def alone(tmp_path):
    store = extract(texts(), TEACHER, name="t", out=tmp_path / "alone", shard_rows=8, threads=1, progress=False)
    return {name: content for name, content in contents(store.path).items() if name.endswith(".npy")}


def wait_for(notes, processes):
    """Wait until a number of processes have computed something."""
    wait_until(lambda: len(list(notes.iterdir())) >= processes)
    return sorted(notes.iterdir())


def run(tmp_path, name="recording_teacher"):
    return extract(
        texts(), f"python:tests.extraction.test_ray:{name}", name="t", out=tmp_path / "ray", shard_rows=8, engine="ray", progress=False,
    )  # fmt: skip


def test_work_of_killed_actors_and_nodes_is_rescheduled(tmp_path, cluster, alone):
    notes, killed = tmp_path / "notes", []

    def kill_an_actor_then_a_node():
        victim = wait_for(notes, 2)[0]
        while victim.stat().st_size < 2:  # it has started its second shard
            time.sleep(0.02)
        os.kill(int(victim.name), signal.SIGKILL)
        killed.append(victim.name)
        wait_for(notes, 3)
        cluster.remove_node(
            next(node for node in cluster.list_all_nodes() if node is not cluster.head_node), allow_graceful=False
        )
        killed.append("node")
        (notes / "go").write_text("")

    thread = threading.Thread(target=kill_an_actor_then_a_node)
    thread.start()
    store = run(tmp_path)
    thread.join()
    assert killed[1:] == ["node"], "nothing was killed"
    assert verify(store.path) == []
    assert {name: content for name, content in contents(store.path).items() if name.endswith(".npy")} == alone
    computed = sum(len(path.read_text()) for path in notes.iterdir())
    shards = len(alone) - 1  # one of the arrays is the index
    assert shards < computed <= shards + 3  # only what the killed processes were computing was computed twice


def test_a_table_and_a_store_in_object_storage_with_an_actor_killed(bucket, tmp_path, cluster, alone):
    notes, killed = tmp_path / "notes", []
    table = "id,text\n" + "".join(f"{id},{text}\n" for id, text in zip(texts().ids, texts().inputs, strict=True))
    bucket.client.put_object(Bucket=bucket.name, Key="texts.csv", Body=table.encode())
    dataset = Dataset.from_table(f"s3://{bucket.name}/texts.csv", text="text", id="id")

    def kill_an_actor():
        victim = wait_for(notes, 2)[0]
        while victim.stat().st_size < 2:
            time.sleep(0.02)
        os.kill(int(victim.name), signal.SIGKILL)
        killed.append(victim.name)
        (notes / "go").write_text("")

    thread = threading.Thread(target=kill_an_actor)
    thread.start()
    store = extract(
        dataset, "python:tests.extraction.test_ray:recording_teacher", name="t", out=bucket.url, shard_rows=8, engine="ray",
        progress=False,
    )  # fmt: skip
    thread.join()
    assert len(killed) == 1
    assert store.location == f"{bucket.url}/t"
    assert {name: content for name, content in bucket.files().items() if name.endswith(".npy")} == alone


def test_actors_write_the_views_of_one_process(tmp_path, cluster):
    options = {"name": "t", "shard_rows": 8, "views": 3, "progress": False}
    alone = contents(extract(texts(), TEACHER, out=tmp_path / "alone", threads=1, **options).path)
    together = contents(extract(texts(), TEACHER, out=tmp_path / "ray", engine="ray", **options).path)
    arrays = {name for name in alone if name.endswith(".npy")}
    assert {name: together[name] for name in arrays} == {name: alone[name] for name in arrays}


def test_actors_read_the_parts_of_images_with_texts(matching, tmp_path, cluster):
    dataset = Dataset.from_table(matching, image="picture", text="caption", label="label")
    options = {"shard_rows": 16, "progress": False}
    alone = extract_all(dataset, PARTS, out=tmp_path / "alone", threads=1, **options)
    together = extract_all(dataset, PARTS, out=tmp_path / "ray", engine="ray", **options)
    for one, two in zip(alone, together, strict=True):
        arrays = {name: content for name, content in contents(one.path).items() if name.endswith(".npy")}
        assert len(arrays) > 10
        assert {name: content for name, content in contents(two.path).items() if name.endswith(".npy")} == arrays


def test_shard_that_kills_every_actor_stops_the_extraction(tmp_path, cluster):
    with pytest.raises(TrainingError, match="4 actors died on the same shard"):
        run(tmp_path, "deadly_teacher")


def test_unknown_engines_are_rejected(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'ray'"):
        extract(texts(), TEACHER, out=tmp_path, engine="rai")
