"""How long training will take."""

import time
from dataclasses import replace

from aft.core import broadcast_object
from aft.training._fit import fit
from aft.training._problem import Problem
from aft.training._search import SEARCH_SEED

#: Steps that are timed. A first step that takes longer than the limit in seconds is enough.
STEPS, LIMIT = 12, 0.5


def time_training(problem: Problem) -> tuple[float, float]:
    """Time a short training by fine-tuning; objectives add a little.

    Args:
        problem: What is trained. Its students and the caller's random state stay as they are.

    Returns:
        Seconds to start a training, and seconds per step with the waiting for data.
    """
    hparams = replace(problem.default_hparams(problem.config), weighting=None, beta=0.0, lr=1e-9)
    start = per_step = 0.0
    for steps in (1, STEPS):
        began = time.monotonic()
        inside = fit(problem, replace(hparams, steps=steps), SEARCH_SEED).seconds
        start, per_step = time.monotonic() - began - inside, inside / steps
        if broadcast_object(per_step > LIMIT):
            break
    return start, per_step
