import os
import subprocess
import sys

import pytest

from aft.core import is_picklable, process_pool


class Counter:
    """Built once per process."""

    def __init__(self):
        self.calls = 0

    def count(self, amount):
        self.calls += amount
        return os.getpid(), self.calls

    def fail(self):
        raise ValueError("reason")


class Unbuildable:
    def __init__(self):
        raise ValueError("cannot be built")


def test_a_process_builds_its_object_once_and_keeps_it():
    with process_pool(Counter, processes=1, threads=1) as call:
        process, _ = call("count", 2).result()
        assert call("count", 3).result() == (process, 5)
        assert process != os.getpid()
        with pytest.raises(ValueError, match="reason"):
            call("fail").result()
        assert call("count", 1).result() == (process, 6)


def test_an_object_that_cannot_be_built_is_reported_by_its_first_call():
    with process_pool(Unbuildable, processes=1, threads=1) as call, pytest.raises(ValueError, match="cannot be built"):
        call("anything").result()


def test_lambdas_are_not_picklable():
    assert is_picklable(Counter)
    assert not is_picklable(lambda: None)


def test_code_that_a_process_cannot_import_is_named(tmp_path):
    """As a function of a notebook: it can be pickled here, and not be found there."""
    program = (
        "from aft.core import process_pool\n"
        "class Made:\n    def work(self): return 1\n"
        "with process_pool(Made, 1, 1) as call:\n    call('work').result()\n"
    )
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=False)
    assert "UsageError: work in several processes needs code that each of them can import" in done.stderr
    assert "pass processes=1" in done.stderr
