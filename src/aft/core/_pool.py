"""A pool of processes that each build one object and then call its methods."""

import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from aft.core._cache import scratch_dir
from aft.core._shared_pickle import dump_shared, load_shared
from aft.errors import AftError, UsageError

#: Seconds that terminated processes have to end.
GRACE = 10.0

Call = Callable[..., "Future[Any]"]


@contextmanager
def process_pool(make: Callable[[], Any], processes: int, threads: int) -> Iterator[Call]:
    """Start processes that each build one object, on their first call, and then call its methods.

    Args:
        make: Builds the object; see `is_picklable`.
        processes: Number of processes.
        threads: Number of torch threads in each.

    Yields:
        ``call(method, *arguments)``, which returns a future. If the block raises, the processes are
        terminated at once. They also end when this process is killed.
    """
    with tempfile.TemporaryDirectory(prefix="processes-", dir=scratch_dir()) as directory:
        dump_shared(make, Path(directory))
        context = multiprocessing.get_context("spawn")  # forking a multi-threaded process may deadlock
        executor = ProcessPoolExecutor(processes, context, initializer=_start, initargs=(directory, threads))
        try:
            with _hidden_main():
                yield lambda method, *arguments: executor.submit(_call, method, *arguments)
        except BaseException:
            _stop(list((executor._processes or {}).values()))
            executor.shutdown(wait=True, cancel_futures=True)
            raise
        executor.shutdown()


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Terminate processes, and kill those that do not end: a program in them may catch the signal, and a debugger may swallow it."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep new processes from running the main program again, as they otherwise would to find its classes.

    So a program needs no ``if __name__ == "__main__":``, and may come from a notebook or the standard input.
    """
    main = sys.modules["__main__"]
    before = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    main.__spec__ = None
    if "__file__" in before:
        del main.__file__
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(main, name, value)


_make: Callable[[], Any] | None = None
_made: Any = None


def _start(directory: str, threads: int) -> None:
    global _make  # noqa: PLW0603 - a worker process has no other place for the state that its calls share
    import torch

    torch.set_num_threads(threads)
    _watch_parent(directory)
    try:
        _make = load_shared(Path(directory))
    except (AftError, OSError, MemoryError) as error:
        _make = partial(_raise, error)
    except Exception as error:  # whatever a user's code raises; an exception here would be lost
        _make = partial(_fail, f"{type(error).__name__}: {error}")


def _raise(error: BaseException) -> None:
    raise error


def _fail(reason: str) -> None:
    raise UsageError(
        f"work in several processes needs code that each of them can import; one could not ({reason}); put its modules on the "
        "PYTHONPATH, or pass processes=1"
    )


def _call(method: str, *arguments: Any) -> Any:
    global _made  # noqa: PLW0603
    if _made is None:
        assert _make is not None
        _made = _make()  # not in the initialiser, whose exceptions would be lost
    return getattr(_made, method)(*arguments)


def _watch_parent(directory: str) -> None:
    """Exit when the parent does: a parent that is killed can neither terminate its children nor remove its files."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        shutil.rmtree(directory, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
