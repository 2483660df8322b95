"""Which teachers read which part of a sample."""

from collections.abc import Sequence

from aft.features._store import FeatureStore


def factors_of(stores: Sequence[FeatureStore]) -> tuple[tuple[str, ...], ...]:
    """Group teachers by the part of a sample that they read, such as the image or the text of a pair.

    What the parts say together is in the products of the groups' features.

    Args:
        stores: Feature stores of the teachers.

    Returns:
        Names of the teachers of each part, that of images first; nothing unless at least two parts are read. Teachers that read whole
        samples are in no group.
    """
    groups: dict[str, list[str]] = {}
    for store in stores:
        part = store.fingerprint.get("reads")
        if part is not None:
            groups.setdefault(str(part), []).append(store.name)
    return tuple(tuple(groups[part]) for part in sorted(groups)) if len(groups) > 1 else ()
