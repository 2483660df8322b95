"""What training shows the student of each sample: itself, new augmentations, or the views that the stores hold."""

from collections.abc import Sequence
from typing import Literal

from aft.data import Modality, Views, augmentation_of
from aft.errors import FingerprintError, UsageError
from aft.features import FeatureStore
from aft.runs import TrainConfig

Augment = Literal["none", "clean", "views"]


def choose_augment(config: TrainConfig, modality: Modality, stores: Sequence[FeatureStore]) -> tuple[Augment, Views]:
    """Decide what the student sees.

    Args:
        config: The settings.
        modality: Modality of the samples.
        stores: The teachers' feature stores.

    Returns:
        The setting without ``"auto"``, and the views that all stores hold.

    Raises:
        UsageError: There are no views where they are asked for, or no augmentation for the modality.
        FingerprintError: The stores hold different views.
    """
    views = _common_views(modality, stores)
    if config.augment == "auto":
        return ("views" if views.count > 1 else "none"), views
    if config.augment == "views" and views.count == 1:
        raise UsageError(
            "augment='views' shows the student the views whose features the stores hold; received "
            f"{'no stores' if not stores else 'stores with a single view'}; extract with views=8, or use augment='clean'"
        )
    if config.augment == "clean":
        augmentation_of(modality)
    return config.augment, views


def _common_views(modality: Modality, stores: Sequence[FeatureStore]) -> Views:
    described = [
        (store.views, store.fingerprint.get("augmentation"), store.fingerprint.get("view_seed", 0)) for store in stores
    ]
    if len(set(described)) > 1:
        listed = ", ".join(
            f"{store.name}: {views} of {name}, seed {seed}"
            for store, (views, name, seed) in zip(stores, described, strict=True)
        )
        raise FingerprintError(
            f"stores that are used together hold the same views; received {listed}; extract them with the same views= and view_seed="
        )
    if not described or described[0][0] == 1:
        return Views(modality)
    count, name, seed = described[0]
    if name != augmentation_of(modality):
        raise FingerprintError(
            f"the student sees the same views as the teacher; store {stores[0].name!r} holds views by {name!r}, and this version of "
            f"aft has {augmentation_of(modality)!r}; extract it again"
        )
    return Views(modality, count, seed)
