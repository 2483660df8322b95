"""What one process makes for all ranks of its machine."""

import json
import os
import subprocess
import sys

import pytest

from aft.core import once_per_machine

#: A rank that makes three things with the others, and prints what it has got and what it has made itself.
RANK = """
import json, os, threading
from pathlib import Path
import numpy as np
from aft.core import once_per_machine, rank
made = []
def array():
    made.append("array")
    return {"numbers": np.arange(100_000) + 1000 * int(os.environ["GROUP_RANK"])}
def lock():
    made.append("lock")
    return threading.Lock()
def failing():
    if os.environ["GROUP_RANK"] == "1":
        raise ValueError("this machine cannot")
numbers = once_per_machine(array)["numbers"]
once_per_machine(lock)
try:
    once_per_machine(failing)
    error = None
except ValueError as raised:
    error = str(raised)
mapped = any("ranks-" in line for line in Path("/proc/self/maps").read_text().splitlines())
print(json.dumps({"first": int(numbers[0]), "made": made, "mapped": mapped, "error": error, "rank": rank()}))
"""


def test_a_single_process_makes_it_itself():
    value = object()
    assert once_per_machine(lambda: value) is value


def test_one_rank_of_each_machine_makes_it_and_the_others_map_it(tmp_path, free_port):
    port = str(free_port())
    #: Rank, machine, rank on that machine, ranks on that machine.
    places = [(0, 0, 0, 2), (1, 0, 1, 2), (2, 1, 0, 1)]
    ranks = []
    for number, machine, local, here in places:
        variables = {
            "RANK": number, "WORLD_SIZE": 3, "GROUP_RANK": machine, "LOCAL_RANK": local, "LOCAL_WORLD_SIZE": here,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "AFT_CACHE": tmp_path, "OMP_NUM_THREADS": 1,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        ranks.append(subprocess.Popen([sys.executable, "-c", RANK], env=environment, stdout=subprocess.PIPE, text=True))
    found = [json.loads(process.communicate(timeout=240)[0]) for process in ranks]
    assert [one["rank"] for one in found] == [0, 1, 2]
    assert [one["first"] for one in found] == [0, 0, 1000]
    assert [one["made"].count("array") for one in found] == [1, 0, 1]
    assert [one["made"].count("lock") for one in found] == [1, 1, 1], "what cannot be sent is made by each"
    assert [one["mapped"] for one in found] == [True, True, False]
    assert {one["error"] for one in found} == {"this machine cannot"}
    assert not list(tmp_path.glob("ranks-*"))


def test_a_launcher_that_does_not_say_who_shares_a_machine(monkeypatch):
    """Without the variables of torchrun, as under a plain MPI, each rank makes it, and is asked for it once."""
    from aft.core import _once_per_machine as module

    for name in ("GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "all_gather_object", lambda mine: [mine, mine])
    monkeypatch.setattr(module, "barrier", lambda: None)
    calls = []
    assert once_per_machine(lambda: calls.append(1) or "made") == "made"
    assert calls == [1]


def test_an_error_is_raised(monkeypatch):
    def fail():
        raise ValueError("reason")

    with pytest.raises(ValueError, match="reason"):
        once_per_machine(fail)
