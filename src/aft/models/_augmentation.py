"""Random augmentation of training images."""

from functools import cached_property
from typing import Any

from torch import Tensor

from aft.errors import MissingExtraError
from aft.models._image import ImagePreprocessing

#: Smallest share of an image's area that a crop keeps, and how far brightness, contrast and saturation vary.
SMALLEST_CROP, JITTER = 0.35, 0.2


class ImageAugmentation:
    """A random crop of random shape, a horizontal flip in half of the cases, and a change of colours.

    These are the usual augmentations of image classification, by torchvision. They draw from torch's random numbers.

    Args:
        images: The preprocessing without augmentation, which gives size, interpolation and normalisation.
    """

    def __init__(self, images: ImagePreprocessing) -> None:
        self._images = images

    def __call__(self, image: Any) -> Tensor:
        """Augment an RGB image.

        Args:
            image: A PIL image.

        Returns:
            ``(3, size, size)`` float32.
        """
        return self._images.normalise(self._transform(image))

    @cached_property
    def _transform(self) -> Any:
        try:
            from torchvision.transforms import InterpolationMode, v2
        except ImportError as error:
            raise MissingExtraError(
                "augmentation needs torchvision, which is not installed; run pip install "
                "'adaptive-feature-transfer[vision]'"
            ) from error
        return v2.Compose(
            [
                v2.RandomResizedCrop(
                    self._images.size,
                    scale=(SMALLEST_CROP, 1.0),
                    interpolation=InterpolationMode(self._images.interpolation),
                ),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(JITTER, JITTER, JITTER),
            ]
        )
