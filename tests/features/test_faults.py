"""Full disks and concurrent writers: committed shards are kept, and another run completes the store."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from aft.features import FeatureStore, Sample, StoreWriter, verify

ROWS, DIM, SHARD = 240, 16, 20
#: An extraction in a separate process. A limit on the size of files simulates a disk that becomes full.
EXTRACTION = f"""
import resource, signal, sys
import numpy as np
from aft.errors import AftError
from aft.features import Sample, StoreWriter
folder, limit, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
samples = [Sample("id%d" % n, "ab" * 16) for n in range({ROWS})]
try:
    writer = StoreWriter.plan(folder, name="t", fingerprint={{"model": "m"}}, dim={DIM}, samples=samples, shard_rows={SHARD})
    if pause:
        import time; time.sleep(max(0, pause - time.time() % pause))
    for shard in writer.pending():
        numbers = [int(sample.id[2:]) for sample in writer.samples(shard)]
        writer.commit(shard, np.repeat(np.array(numbers, dtype=float)[:, None] / 8, {DIM}, axis=1))
    writer.finish()
except AftError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


def start(folder, limit=0, pause=0.0):
    command = [sys.executable, "-c", EXTRACTION, str(folder), str(limit), str(pause)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def end(process):
    """Exit status and standard error."""
    error = process.communicate()[1]
    return process.returncode, error


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "t"
    assert end(start(folder)) == (0, "")
    return contents(folder)


def check(folder, whole):
    assert verify(folder) == []
    store = FeatureStore.open(folder)
    assert np.array_equal(store["id17"], np.full(DIM, 17 / 8, dtype=np.float16))
    assert contents(folder) == whole


def test_committed_shards_survive_a_full_disk(tmp_path, whole):
    sizes = sorted({len(content) for content in whole.values()})
    # The disk becomes full in the middle of each kind of file, from the smallest to the largest.
    for number, size in enumerate([size // 2 for size in sizes] + [sizes[-1] - 1]):
        folder = tmp_path / str(number) / "t"
        code, error = end(start(folder, limit=max(size, 1)))
        assert code == 2, error
        assert error.count("\n") == 1
        assert "free some space and run the same command again" in error
        kept = contents(folder)
        assert not [name for name in kept if name.startswith(".writing-")]
        assert all(whole[name] == content for name, content in kept.items() if name in whole)
        assert end(start(folder)) == (0, "")
        check(folder, whole)


def test_extraction_survives_a_disk_that_fills_up_repeatedly(tmp_path, whole):
    folder = tmp_path / "t"
    sizes = sorted({len(content) for content in whole.values()})
    done = 0
    for limit in [*(size + 1 for size in sizes[:-1]), 0]:
        end(start(folder, limit=limit))
        records = len(list(folder.glob("shard-*[0-9].json"))) if folder.exists() else 0
        assert records >= done
        done = records
    check(folder, whole)


def test_backward_clock_changes_nothing(tmp_path, whole, monkeypatch):
    now = [2_000_000_000]

    def earlier():
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", lambda: float(earlier()))
    monkeypatch.setattr(time, "time_ns", lambda: earlier() * 10**9)
    samples = [Sample(f"id{n}", "ab" * 16) for n in range(ROWS)]

    def planned():
        return StoreWriter.plan(
            tmp_path / "t", name="t", fingerprint={"model": "m"}, dim=DIM, samples=samples, shard_rows=SHARD
        )

    for shard in planned().pending():  # each shard by a new writer, with files older than all existing ones
        numbers = [int(sample.id[2:]) for sample in planned().samples(shard)]
        planned().commit(shard, np.repeat(np.array(numbers, dtype=float)[:, None] / 8, DIM, axis=1))
        for path in (tmp_path / "t").iterdir():
            os.utime(path, (earlier(),) * 2)
    planned().finish()
    check(tmp_path / "t", whole)


def test_concurrent_writers_of_one_store(tmp_path, whole):
    for attempt in range(4):
        folder = tmp_path / str(attempt) / "t"
        writers = [start(folder, pause=1.0) for _ in range(2)]
        # The writer that finishes second may find files replaced; it fails with one sentence, or succeeds.
        for code, error in [end(writer) for writer in writers]:
            assert code in (0, 2), error
            assert error.count("\n") == (code != 0)
        assert end(start(folder)) == (0, "")
        check(folder, whole)
