import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from aft.core import _pool, is_picklable, process_pool
from aft.errors import StoreError
from tests.conftest import wait_until


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


def test_what_can_be_sent_to_another_process():
    assert is_picklable(Counter)
    assert is_picklable(lambda: Counter)
    assert not is_picklable(threading.Lock())


#: Defines a class and uses it in other processes, without `if __name__ == "__main__":`.
PROGRAM = """
from aft.core import process_pool
class Made:
    def work(self): return HIDDEN
HIDDEN = 7
print("once")
with process_pool(Made, 1, 1) as call:
    print(call("work").result())
"""


@pytest.mark.parametrize("how", ["file", "standard input", "notebook"])
def test_a_program_may_define_what_its_processes_use(tmp_path, how):
    """Its classes are sent by value, and no process runs the program again."""
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = {
        "file": ["program.py"],
        "standard input": ["-"],
        "notebook": ["-c", "exec(compile(open('program.py').read(), '<cell 1>', 'exec'))"],
    }[how]
    done = subprocess.run(
        [sys.executable, *arguments], input=PROGRAM, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("once\n7\n", 0), done.stderr


def test_code_that_a_process_cannot_import_is_named(tmp_path):
    """As a module that the program made."""
    program = (
        "import sys, types\n"
        "from aft.core import process_pool\n"
        "made = types.ModuleType('made'); sys.modules['made'] = made\n"
        "exec('class Made:\\n    def work(self): return 1', made.__dict__)\n"
        "with process_pool(made.Made, 1, 1) as call:\n    call('work').result()\n"
    )
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=False)
    assert "UsageError: work in several processes needs code that each of them can import" in done.stderr
    assert "pass processes=1" in done.stderr


class Stubborn:
    """Does not end when it is told to."""

    def __init__(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def work(self, number):
        time.sleep(0.1)
        return os.getpid()


def test_processes_that_do_not_end_are_killed_after_an_error(monkeypatch):
    monkeypatch.setattr(_pool, "GRACE", 0.5)
    pids = set()
    with pytest.raises(ValueError, match="something else"), process_pool(Stubborn, 2, 1) as call:
        pids = {future.result() for future in [call("work", number) for number in range(4)]}
        raise ValueError("something else")
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


class Unreadable:
    """Raises an error of aft where it arrives, as a store does that has been replaced."""

    def __call__(self):
        return self

    def __reduce__(self):
        return refuse, ()


def refuse():
    raise StoreError("a rule; something else; a remedy")


def test_an_error_of_aft_keeps_its_words_where_a_value_arrives():
    with (
        process_pool(Unreadable(), 1, 1) as call,
        pytest.raises(StoreError, match="^a rule; something else; a remedy$"),
    ):
        call("anything").result()


ORPHANS = """
import sys, time
import numpy as np
from aft.core import process_pool
class Made:
    def __init__(self, array): self.array = array
    def __call__(self): return self
    def work(self): return 1
with process_pool(Made(np.zeros(100_000)), 1, 1) as call:
    call("work").result()
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_processes_share_goes_when_their_parent_is_killed(tmp_path):
    environment = {**os.environ, "AFT_CACHE": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "ready\n"
    (shared,) = tmp_path.iterdir()
    assert (shared / "arrays").stat().st_size >= 800_000
    process.kill()
    process.communicate()
    wait_until(lambda: not shared.exists())
