"""Threads that work beside the caller."""

import threading

import pytest

from aft.core import _threads, one_ahead, side_by_side


def test_the_next_item_is_worked_on_while_the_caller_has_a_result():
    begun = [threading.Event() for _ in range(4)]

    def work(number):
        begun[number].set()
        return number * 10

    for number, result in enumerate(one_ahead(work, range(4))):
        assert result == number * 10
        if number < 3:
            assert begun[number + 1].wait(10)  # it does not wait for the caller
        if number < 2:
            assert not begun[number + 2].is_set()  # nor is it further ahead
    assert list(one_ahead(work, [])) == []


def test_errors_come_where_their_result_would():
    results = one_ahead(lambda number: 1 / number, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_results_of_threads_are_in_order(monkeypatch):
    monkeypatch.setattr(_threads, "cores", lambda: 3)
    caller = threading.get_ident()
    items = list(range(50))
    found = side_by_side(lambda item: (item, threading.get_ident()), items)
    assert [item for item, _ in found] == items
    assert caller not in {thread for _, thread in found}
    assert side_by_side(lambda item: threading.get_ident(), items[:7]) == [caller] * 7  # too few to be worth threads
    assert side_by_side(str, []) == []
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 / item, items)
