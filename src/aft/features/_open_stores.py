"""Open the feature stores of several teachers."""

from collections.abc import Sequence
from pathlib import Path

from aft.errors import UsageError, name_some
from aft.features._store import FeatureStore


def open_stores(features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path) -> list[FeatureStore]:
    """Open one feature store or several.

    Args:
        features: A store, its directory or its address in object storage; or a sequence of these.

    Returns:
        The stores, in the order given.

    Raises:
        UsageError: Two stores have the same name.
        StoreError: A store is missing, unfinished or corrupt.

    Example:
        >>> open_stores("features/dinov2")
        [FeatureStore('dinov2', 7390 x 1536 float16, 'features/dinov2')]
    """
    listed = [features] if isinstance(features, FeatureStore | str | Path) else list(features)
    stores = [item if isinstance(item, FeatureStore) else FeatureStore.open(item) for item in listed]
    names = [store.name for store in stores]
    if len(set(names)) != len(names):
        raise UsageError(
            f"every teacher needs a unique name; received {name_some(names, 8)}; "
            "extract one of them again under another name"
        )
    return stores
