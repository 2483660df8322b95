"""What all image models share: preprocessing and batching."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aft.core import side_by_side
from aft.data import IMAGE
from aft.models._backbone import Backbone, Batch
from aft.preprocessing import ImagePreprocessing


def stack_images(encoded: Sequence[Tensor]) -> Batch:
    """Stack images: ``image`` is ``(B, 3, H, W)``, with the channels of a pixel next to each other in memory.

    Convolutions keep this order, and are faster in it.
    """
    return {"image": torch.stack(list(encoded)).contiguous(memory_format=torch.channels_last)}


class ImageBackbone(Backbone):
    """An image model: this class preprocesses and stacks images, and subclasses compute the features.

    Attributes:
        images: The preprocessing.
    """

    accepts = (IMAGE,)
    images: ImagePreprocessing

    def encode_own(self, inputs: Sequence[Any]) -> list[Tensor]:
        """Resize, crop and normalise images."""
        return [torch.from_numpy(pixels) for pixels in side_by_side(self.images, inputs)]

    def collate(self, encoded: Sequence[Tensor]) -> Batch:
        """Stack images: ``image`` is ``(B, 3, H, W)``."""
        return stack_images(encoded)

    def preprocessing(self) -> dict[str, Any]:
        """Size, crop and normalisation of the images."""
        return self.images.describe()

    def encodings(self) -> list[dict[str, Any]]:
        """Size, crop and normalisation."""
        return [{"kind": "image", "reads": self.reads, "folder": ".", **self.images.describe()}]
