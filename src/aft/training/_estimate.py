"""How long training will take."""

from dataclasses import replace

from aft.core import broadcast_object
from aft.training._fit import fit
from aft.training._problem import Problem
from aft.training._search import SEARCH_SEED

#: Steps that are timed. A first step that takes longer than the limit in seconds is enough.
STEPS, LIMIT = 12, 0.5


def seconds_per_step(problem: Problem) -> float:
    """Time a few steps of fine-tuning; objectives add a little.

    Args:
        problem: What is trained. Its students and the caller's random state stay as they are.

    Returns:
        Seconds, with the waiting for data.
    """
    hparams = replace(problem.default_hparams(problem.config), weighting=None, beta=0.0, lr=1e-9)
    seconds = 0.0
    for steps in (1, STEPS):
        seconds = fit(problem, replace(hparams, steps=steps), SEARCH_SEED).seconds / steps
        if broadcast_object(seconds > LIMIT):
            break
    return seconds
