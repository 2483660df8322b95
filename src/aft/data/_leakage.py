"""No test sample in training: by id, by content, by group."""

from collections.abc import Sequence

from aft.errors import LeakageError, name_some


def check_leakage(
    train_ids: Sequence[str],
    train_digests: Sequence[str],
    test_ids: Sequence[str],
    test_digests: Sequence[str],
    *,
    train_groups: Sequence[str | None] | None = None,
    test_groups: Sequence[str | None] | None = None,
    what: str = "test",
) -> None:
    """Refuse a test part that shares samples with training.

    Args:
        train_ids: Ids of the training samples.
        train_digests: Digests of their inputs.
        test_ids: Ids of the held-out samples.
        test_digests: Digests of their inputs.
        train_groups: Groups of the training samples, if there are groups.
        test_groups: Groups of the held-out samples.
        what: What the held-out part is called.

    Raises:
        LeakageError: Some are on both sides; some are named.
    """
    remedy = f"remove them from one side, or let aft drop them from training with --leakage drop (this {what} part is checked by id, content and group)"
    both = sorted(set(train_ids) & set(test_ids))
    if both:
        raise LeakageError(
            f"no {what} sample may be in training; received {len(both)} ids on both sides, {name_some(both)}; {remedy}"
        )
    known = set(train_digests)
    same = [sample_id for sample_id, digest in zip(test_ids, test_digests, strict=True) if digest in known]
    if same:
        raise LeakageError(
            f"no {what} sample may be in training; received {len(same)} {what} samples whose content is also in training, ids "
            f"{name_some(same)}; {remedy}"
        )
    shared = {g for g in train_groups or () if g is not None} & {g for g in test_groups or () if g is not None}
    if shared:
        raise LeakageError(
            f"no group may be on both sides; received {len(shared)} in training and {what}, {name_some(sorted(shared))}; {remedy}"
        )
