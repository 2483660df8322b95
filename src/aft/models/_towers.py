"""Models that embed images and texts in one space: which of their towers is read, or both together."""

import torch
import torch.nn.functional as F
from torch import Tensor

from aft.data import IMAGE, Modality
from aft.errors import UsageError
from aft.models._backbone import Backbone, Batch, Role
from aft.models._parts import PartsBackbone
from aft.models._spec import ModelSpec


class Towers(PartsBackbone):
    """Both embeddings of an image with a text, scaled to unit length, and their elementwise product.

    The sum of the product is the similarity that the model was trained for, so that a linear probe can read it.

    Args:
        image: The tower for images.
        text: That for texts, of the same model.
    """

    sign = "&"  # in no name: both parts are one model

    def __init__(self, image: Backbone, text: Backbone) -> None:
        super().__init__([image, text])
        self.dim = 3 * image.dim

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, 3d)`` of a batch."""
        image, text = (F.normalize(self.part_features(number, batch), dim=1) for number in range(2))
        return torch.cat([image, text, image * text], dim=1)


def tower_to_read(spec: ModelSpec, modality: Modality | None, role: Role) -> str | None:
    """The tower that a model reads inputs with: that of its option ``reads``, or the only one that fits.

    Args:
        spec: The name of the model.
        modality: That of the inputs; None if it is not known.
        role: ``"teacher"``, ``"student"``, or ``"part"`` of a student.

    Returns:
        ``"image"`` or ``"text"``; None for a teacher that reads both.

    Raises:
        UsageError: The option is neither, or a student would read both.
    """
    reads: str | None = spec.options.get("reads")
    if reads is None and modality is not None and len(set(modality)) == 1:
        reads = "image" if modality == IMAGE else "text"
    if reads not in (None, "image", "text") or (reads is None and role == "student"):
        name = f"{spec.kind}:{spec.name}"
        raise UsageError(
            f"reads= is image or text, the part of an input that a model embeds; received {reads!r} for {spec.name!r}; a student of both "
            f"names the model twice: {name},reads=image*{name},reads=text"
        )
    return reads
