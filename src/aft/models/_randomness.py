"""Random numbers of user code: Python's, NumPy's and torch's, seeded together and kept."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def kept_random_state() -> Iterator[None]:
    """A block after which the random states of Python, NumPy and torch on the CPU are as they were before."""
    python, legacy, generator = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_rng_state(generator)


def seed_all(*key: int) -> None:
    """Seed Python, NumPy and torch on the CPU.

    Args:
        *key: Numbers from 0 on; different keys give independent random numbers.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
