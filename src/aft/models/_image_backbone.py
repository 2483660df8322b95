"""What all image models share: preprocessing, batching and augmentation."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aft.data import IMAGE
from aft.models._augmentation import ImageAugmentation
from aft.models._backbone import Backbone, Batch
from aft.models._image import ImagePreprocessing


class ImageBackbone(Backbone):
    """An image model: this class preprocesses and stacks images, and subclasses compute the features.

    Attributes:
        images: The preprocessing.
    """

    accepts = (IMAGE,)
    images: ImagePreprocessing
    _augmentation: ImageAugmentation | None = None

    def encode(self, inputs: Sequence[Any]) -> list[Tensor]:
        """Resize, crop and normalise images."""
        return [self.images(image) for image in inputs]

    def enable_augmentation(self) -> None:
        """Augment training images from now on."""
        self._augmentation = ImageAugmentation(self.images)

    @property
    def augments(self) -> bool:
        """Whether training images are augmented."""
        return self._augmentation is not None

    def augment(self, value: Any) -> Tensor:
        """Preprocess an image for one step of training."""
        return self.images(value) if self._augmentation is None else self._augmentation(value)

    def collate(self, encoded: Sequence[Tensor]) -> Batch:
        """Stack images: ``image`` is ``(B, 3, H, W)``."""
        return {"image": torch.stack(list(encoded))}

    def preprocessing(self) -> dict[str, Any]:
        """Size, crop and normalisation of the images."""
        return self.images.describe()
