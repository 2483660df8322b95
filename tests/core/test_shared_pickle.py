"""Values that processes share through a file."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from aft.core import _shared_pickle, process_pool
from aft.core._shared_pickle import dump_shared, load_shared
from aft.errors import UsageError

LARGE = np.arange(100_000, dtype=np.float64)


def sent(value, folder):
    dump_shared(value, folder)
    return load_shared(folder)


def test_a_value_arrives_as_it_was(tmp_path):
    frozen = LARGE[::-1].copy()
    frozen.flags.writeable = False
    value = {
        "large": LARGE, "frozen": frozen, "small": np.arange(3), "turned": LARGE.reshape(100, 1000).T, "none": np.zeros(0),
        "gaps": LARGE[::2], "twice": [LARGE, LARGE], "text": "x" * 100_000, "names": np.array(["a", None], dtype=object),
    }  # fmt: skip
    found = sent(value, tmp_path)
    assert list(found) == list(value)
    for name in ("large", "frozen", "small", "turned", "none", "gaps", "names"):
        assert np.array_equal(found[name], value[name])
        assert found[name].dtype == value[name].dtype
    assert found["text"] == value["text"]
    assert found["twice"][0] is found["twice"][1]
    assert not found["frozen"].flags.writeable


def test_large_arrays_lie_in_the_file_and_small_ones_do_not(tmp_path):
    dump_shared([LARGE, np.arange(10)], tmp_path)
    assert (tmp_path / "value").stat().st_size < 2000
    assert LARGE.nbytes <= (tmp_path / "arrays").stat().st_size < LARGE.nbytes + _shared_pickle.ALIGNMENT
    (folder := tmp_path / "small").mkdir()
    assert sent("nothing large", folder) == "nothing large"


def test_arrays_begin_at_aligned_addresses(tmp_path):
    for array in sent([np.zeros(70_001, np.uint8), LARGE, np.zeros(70_003, np.uint8), LARGE], tmp_path):
        assert array.ctypes.data % _shared_pickle.ALIGNMENT == 0


def test_a_change_stays_in_its_process(tmp_path):
    one = sent(LARGE, tmp_path)
    one[:] = 7
    assert np.array_equal(load_shared(tmp_path), LARGE)
    (tmp_path / "arrays").unlink()  # what is mapped remains
    assert one[-1] == 7


class Total:
    def __init__(self, array):
        self.array = array

    def total(self):
        mapped = sum("arrays" in line for line in Path("/proc/self/maps").read_text().splitlines())
        return float(self.array.sum()), mapped, os.getpid()


class MakeTotal:
    def __init__(self, array):
        self.array = array

    def __call__(self):
        return Total(self.array)


def test_processes_of_a_pool_map_what_they_are_sent():
    with process_pool(MakeTotal(LARGE), 2, 1) as call:
        for future in [call("total") for _ in range(4)]:
            total, mapped, process = future.result()
            assert (total, mapped) == (LARGE.sum(), 1)
            assert process != os.getpid()


def test_a_full_disk_is_named(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_shared_pickle, "_keep_small", full)
    with (
        pytest.raises(UsageError, match=r"through a file in .*No space left on device.*AFT_CACHE.*use one process"),
        process_pool(MakeTotal(LARGE), 2, 1),
    ):
        pass
