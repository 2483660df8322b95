"""Preprocessing of images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.errors import MissingExtraError

#: Images are at most so many times as long as wide before they are resized.
LONGEST = 16


@dataclass(frozen=True)
class ImagePreprocessing:
    """Resize the shorter side, crop the centre and normalise.

    Attributes:
        size: Height and width of the result in pixels.
        crop: Fraction of the resized image's shorter side that the crop keeps.
        interpolation: ``"nearest"``, ``"bilinear"`` or ``"bicubic"``.
        mean: Mean of each channel, for values between 0 and 1.
        std: Standard deviation of each channel.
    """

    size: int = 224
    crop: float = 1.0
    interpolation: str = "bicubic"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a preprocessed image."""
        return (3, self.size, self.size)

    def __call__(self, image: Any) -> NDArray[np.float32]:
        """Preprocess an RGB image.

        Args:
            image: A PIL image.

        Returns:
            ``(3, size, size)`` float32.
        """
        try:
            from PIL import Image
        except ImportError as error:
            raise MissingExtraError(
                "images need Pillow, which is not installed; run pip install 'adaptive-feature-transfer[vision]'"
            ) from error
        method = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}.get(
            self.interpolation, Image.Resampling.BICUBIC
        )
        target = round(self.size / self.crop)
        image = _without_ends(image)
        width, height = image.size
        scale = target / min(width, height)
        resized = image.resize((max(target, round(width * scale)), max(target, round(height * scale))), method)
        left, top = (resized.width - self.size) // 2, (resized.height - self.size) // 2
        cropped = resized.crop((left, top, left + self.size, top + self.size))
        return self.normalise(cropped)

    def normalise(self, image: Any) -> NDArray[np.float32]:
        """Convert an RGB image of the right size to numbers with the mean and standard deviation that the model expects.

        Args:
            image: A PIL image.

        Returns:
            ``(3, size, size)`` float32.
        """
        pixels = np.array(image, dtype=np.float32) / np.float32(255)
        normalised = (pixels - np.asarray(self.mean, dtype=np.float32)) / np.asarray(self.std, dtype=np.float32)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1))

    def describe(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {
            "size": self.size, "crop": self.crop, "interpolation": self.interpolation,
            "mean": list(self.mean), "std": list(self.std),
        }  # fmt: skip


def _without_ends(image: Any) -> Any:
    """The middle of an image that is much longer than wide: nothing else survives the crop, and all of it would be enlarged first."""
    short, most = min(image.size), LONGEST * min(image.size)
    if max(image.size) <= most:
        return image
    left, top = ((side - min(side, most)) // 2 for side in image.size)
    return image.crop((left, top, left + min(image.width, most), top + min(image.height, most))) if short else image
