"""Threads for work that releases the interpreter's lock: decoding images, tokenising texts, running models."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from aft.core._cores import cores

T = TypeVar("T")
R = TypeVar("R")

#: Items per thread from which a thread is worth its start.
FEWEST = 4

#: How the names of threads that work ahead begin.
ONE_AHEAD = "aft-one-ahead"


def one_ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function to items in a thread, which works on the next item while the caller works on the last result.

    Args:
        function: What to apply. Only one thread calls it.
        items: The items, which the caller's thread takes from their iterator.

    Yields:
        The results in the order of the items.
    """
    with ThreadPoolExecutor(1, thread_name_prefix=ONE_AHEAD) as ahead:
        waiting: Future[R] | None = None
        for item in items:
            coming = ahead.submit(function, item)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()


def side_by_side(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to items, in a thread for each core.

    Args:
        function: What to apply, which several threads may call at once.
        items: The items.

    Returns:
        The results in the order of the items.
    """
    threads = min(cores(), len(items) // FEWEST)
    if threads < 2:
        return list(map(function, items))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))
