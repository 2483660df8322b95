"""How fast a model computes: throughput and latency."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any


def throughput(run: Callable[[Sequence[Any]], object], inputs: Sequence[Any], *, repeats: int = 5) -> float:
    """Measure throughput from raw inputs to outputs.

    Args:
        run: A function that computes the outputs of a list of inputs.
        inputs: The inputs to run it on.
        repeats: Number of measurements, of which the median counts.

    Returns:
        Samples per second.
    """
    run(inputs[: min(len(inputs), 32)])  # warm-up
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(inputs)
        seconds.append(time.perf_counter() - start)
    return len(inputs) / median(seconds)


def latency(run: Callable[[Sequence[Any]], object], inputs: Sequence[Any], *, repeats: int = 5) -> float:
    """Measure latency from raw input to output, one sample at a time.

    Args:
        run: A function that computes the outputs of a list of inputs; it is called with lists of length one.
        inputs: The inputs to run it on.
        repeats: Number of passes over the inputs. The median of all calls counts.

    Returns:
        Milliseconds per sample.
    """
    run(inputs[:1])  # warm-up
    seconds = []
    for _ in range(repeats):
        for item in inputs:
            start = time.perf_counter()
            run([item])
            seconds.append(time.perf_counter() - start)
    return 1e3 * median(seconds)
