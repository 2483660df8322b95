"""The helpers in a single process; `tests/training/test_distributed.py` runs them in several."""

import pytest

from aft.core import all_gather_object, barrier, broadcast_object, local_rank, rank, rank_zero_first, world_size


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_launcher_there_is_one_rank():
    assert (world_size(), rank(), local_rank()) == (1, 0, 0)
    barrier()
    value = object()
    assert broadcast_object(value) is value
    assert all_gather_object(value) == [value]


def test_environment_of_a_launcher_is_read(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert world_size() == 1  # a job scheduler may set this variable alone
    for name, value in {"RANK": "3", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    assert (world_size(), rank(), local_rank()) == (4, 3, 1)


def test_rank_zero_first_passes_on_the_result():
    calls = []
    assert rank_zero_first(lambda: calls.append(1) or "result") == "result"
    assert rank_zero_first(lambda: None) is None
    assert calls == [1]


def test_rank_zero_first_passes_on_the_error():
    error = ValueError("reason")

    def fail():
        raise error

    with pytest.raises(ValueError, match="reason") as raised:
        rank_zero_first(fail)
    assert raised.value is error
