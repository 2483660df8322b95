"""The learning rate over the steps of a training."""

import math

import torch


def cosine_schedule(
    optimiser: torch.optim.Optimizer, *, steps: int, warmup: float = 0.05
) -> torch.optim.lr_scheduler.LambdaLR:
    """Let the learning rates of an optimiser rise linearly, and then fall to zero along a cosine, as `aft.train` does.

    Args:
        optimiser: The optimiser.
        steps: Number of steps of the training.
        warmup: Fraction of the steps over which the rates rise.

    Returns:
        The schedule, to be stepped after each step of the optimiser.

    Example:
        >>> schedule = cosine_schedule(optimiser, steps=500)
    """
    rising = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
