"""Leakage: samples that occur both in training and in a held-out split."""

from collections.abc import Sequence

import numpy as np

from aft.data._equal import contained
from aft.errors import LeakageError, name_some


def check_leakage(
    train_ids: Sequence[str],
    train_digests: Sequence[str],
    test_ids: Sequence[str],
    test_digests: Sequence[str],
    *,
    train_groups: Sequence[str | None] | None = None,
    test_groups: Sequence[str | None] | None = None,
    split: str = "test",
) -> None:
    """Make sure that a held-out split shares no id, no input and no group with the training samples.

    Args:
        train_ids: Ids of the training samples.
        train_digests: Digests of their inputs.
        test_ids: Ids of the held-out samples.
        test_digests: Digests of their inputs.
        train_groups: Groups of the training samples, if there are groups.
        test_groups: Groups of the held-out samples.
        split: Name of the held-out split, for the message.

    Raises:
        LeakageError: The two sides share samples or groups; some of them are named.
    """
    remedy = "remove them from one side, or drop them from training with leakage='drop'"
    held_ids = set(test_ids)
    both = sorted({sample_id for sample_id in train_ids if sample_id in held_ids})
    if both:
        raise LeakageError(
            f"no {split} sample may be in training; received {len(both)} ids on both sides, {name_some(both)}; {remedy}"
        )
    leaks = np.flatnonzero(contained(test_digests, train_digests))
    if len(leaks):
        same = [test_ids[place] for place in leaks.tolist()]
        raise LeakageError(
            f"no {split} sample may be in training; received {len(same)} {split} samples whose content is also in "
            f"training, ids {name_some(same)}; {remedy}"
        )
    shared = {g for g in train_groups or () if g is not None} & {g for g in test_groups or () if g is not None}
    if shared:
        raise LeakageError(
            f"no group may be in training and in the {split} split; received {len(shared)} that are, "
            f"{name_some(sorted(shared))}; {remedy}"
        )
