"""How fast a model answers."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any


def throughput(run: Callable[[Sequence[Any]], object], inputs: Sequence[Any], *, repeats: int = 5) -> float:
    """Samples a second, from raw inputs to outputs.

    Args:
        run: Answers a list of inputs.
        inputs: What to run it on.
        repeats: Timings; the median counts.

    Returns:
        Samples a second.
    """
    run(inputs[: min(len(inputs), 32)])  # the first call sets up more than it computes
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(inputs)
        seconds.append(time.perf_counter() - start)
    return len(inputs) / median(seconds)


def latency(run: Callable[[Sequence[Any]], object], inputs: Sequence[Any], *, repeats: int = 5) -> float:
    """Milliseconds for one sample at a time, from raw input to output.

    Args:
        run: Answers a list of inputs; it is called with lists of one.
        inputs: What to run it on.
        repeats: How often to go through them; the median of all calls counts.

    Returns:
        Milliseconds.
    """
    run(inputs[:1])  # the first call sets up more than it computes
    seconds = []
    for _ in range(repeats):
        for item in inputs:
            start = time.perf_counter()
            run([item])
            seconds.append(time.perf_counter() - start)
    return 1e3 * median(seconds)
