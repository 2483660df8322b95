"""Keys of samples, computed from their features."""

import torch
from torch import Tensor


def sample_keys(features: Tensor) -> Tensor:
    """Compute a 63-bit key for each sample from its features, equal on every device and in every batch.

    With these keys an objective can recognise the samples that it was prepared with, without ids. The keys
    are built from integer sums, which do not depend on the order of summation. Equal samples get equal keys,
    so duplicates always fall into the same fold.

    Args:
        features: ``(B, D)``.

    Returns:
        ``(B,)``, int64, non-negative.
    """
    bits = features.detach().float().contiguous().view(torch.int32).long()
    positions = torch.arange(1, bits.shape[1] + 1, device=bits.device)
    mixed = (bits ^ (bits >> 15)) * (positions * 0x9E3779B1 + 0x7F4A7C15)
    mixed = (mixed ^ (mixed >> 29)) * 0x2545F4914F6CDD1D
    total = mixed.sum(dim=1)
    total = (total ^ (total >> 32)) * 0x2545F4914F6CDD1D
    return (total ^ (total >> 29)) & 0x7FFFFFFFFFFFFFFF
