"""Several processes, and the ranks of a launcher, write the same bytes as one process."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from aft.data import Dataset, Positions
from aft.errors import DataError, TrainingError, UsageError
from aft.extraction import extract, extract_all
from aft.extraction._settings import Settings
from aft.extraction._worker import Worker
from aft.features import verify
from tests.conftest import kill_with_children

TEACHER = "python:tests.extraction.test_processes:teacher"


def teacher():
    """A python: factory of a transformer, whose features depend on how texts are batched."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Letters(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(256, 16)
            self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, input):
            return self.block(self.table(input)).mean(dim=1)

    def letters(text):
        return torch.tensor(list(text.encode()[:24].ljust(24)), dtype=torch.long)

    return Letters(), letters


def dying_teacher():
    """A python: factory of the same teacher, which kills its process once if a file exists."""
    module, letters = teacher()
    forward = module.forward

    def deadly(input):
        path = os.environ["AFT_TEST_DIE"]
        if len(input) > 1 and os.path.exists(path):
            os.remove(path)
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(input)

    module.forward = deadly
    return module, letters


def texts(count=60):
    return Dataset.from_arrays(
        [f"sample number {n} " + "x" * (n % 7) for n in range(count)], ids=[str(n) for n in range(count)]
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def alone(tmp_path):
    store = extract(texts(), TEACHER, name="t", out=tmp_path / "alone", shard_rows=8, threads=1, progress=False)
    return contents(store.path)


def test_two_processes_write_the_bytes_of_one(tmp_path, alone):
    stores = extract_all(
        texts(), {"t": TEACHER, "again": TEACHER}, out=tmp_path, shard_rows=8, processes=2, threads=1, progress=False
    )
    assert contents(stores[0].path) == alone
    assert verify(stores[1].path) == []


def test_killed_process_loses_one_shard(tmp_path, alone, monkeypatch):
    order = tmp_path / "die"
    monkeypatch.setenv("AFT_TEST_DIE", str(order))
    dying = "python:tests.extraction.test_processes:dying_teacher"
    order.write_text("")
    options = {"name": "t", "out": tmp_path, "shard_rows": 8, "processes": 2, "threads": 1, "progress": False}
    with pytest.raises(TrainingError, match="committed shards are kept"):
        extract(texts(), dying, **options)
    assert not order.exists(), "nothing was killed"
    store = extract(texts(), dying, **options)
    rest = {name: content for name, content in contents(store.path).items() if name.endswith(".npy")}
    assert rest == {name: content for name, content in alone.items() if name.endswith(".npy")}


def test_unpicklable_datasets_are_rejected(tmp_path):
    class Items:
        lock = threading.Lock()  # the class is sent by value, and with it what it holds

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return f"text {index}", None

    with pytest.raises(UsageError, match="cannot be pickled"):
        extract(Dataset.from_map(Items()), TEACHER, out=tmp_path, processes=2, progress=False)
    with pytest.raises(UsageError, match="at least one process and one thread"):
        extract(texts(), TEACHER, out=tmp_path, processes=0)


def test_samples_that_were_not_planned_are_not_computed(tmp_path):
    """As on a machine that has an older copy of the table."""
    settings = Settings()

    def worker(dataset):
        return Worker(dataset, Positions(dataset.ids), {"t": TEACHER}, tmp_path, settings)

    first = worker(texts(20))
    first.plan(8, overwrite=False)
    fewer = worker(texts(10))
    changed = worker(Dataset.from_arrays(["changed", *list(texts(20).inputs)[1:]], ids=list(texts(20).ids)))
    for other, task, named in ((fewer, 1, "'10'"), (changed, 0, "'0'")):
        other.resume()
        with pytest.raises(DataError, match=f"received {named}.*give all machines the same data"):
            other.compute(other.pending()[task])
    assert len(first.pending()) == 3
    same = worker(texts(20))
    same.resume()
    same.compute(same.pending()[0])
    assert len(first.pending()) == 2


def launch(table, out, port, views=1):
    """Start two ranks of torchrun with one thread each."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port), "--no-python",
        sys.executable, "-m", "aft", "extract", str(table), "--text", "text", "--id", "id", "--teacher", f"t={TEACHER}", "--out", str(out),
        "--shard-rows", "8", "--threads", "1", "--views", str(views),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_ranks_of_torchrun_share_the_shards_and_write_the_bytes_of_one(tmp_path, alone, free_port):
    table, dataset = tmp_path / "t.csv", texts()
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *zip(dataset.ids, dataset.inputs, strict=True)])
    killed = launch(table, tmp_path / "many", free_port())
    record = tmp_path / "many" / "t" / "shard-000001.json"
    deadline = time.monotonic() + 120
    while not record.exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    kill_with_children(killed)
    assert record.exists()
    again = launch(table, tmp_path / "many", free_port())
    output, error = again.communicate(timeout=240)
    assert again.returncode == 0, error
    assert output.split() == [str(tmp_path / "many" / "t")]  # printed once, not by every rank
    rest = {name: content for name, content in contents(tmp_path / "many" / "t").items() if name.endswith(".npy")}
    assert rest == {name: content for name, content in alone.items() if name.endswith(".npy")}


def test_ranks_of_torchrun_write_the_same_views(tmp_path, free_port):
    table, dataset = tmp_path / "t.csv", texts()
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *zip(dataset.ids, dataset.inputs, strict=True)])
    options = {"name": "t", "shard_rows": 8, "threads": 1, "views": 3, "progress": False}
    one = contents(extract(texts(), TEACHER, out=tmp_path / "one", **options).path)
    ranks = launch(table, tmp_path / "many", free_port(), views=3)
    _, error = ranks.communicate(timeout=240)
    assert ranks.returncode == 0, error
    many = contents(tmp_path / "many" / "t")
    arrays = {name for name in one if name.endswith(".npy")}
    assert {name: many[name] for name in arrays} == {name: one[name] for name in arrays}
