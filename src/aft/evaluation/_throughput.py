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
