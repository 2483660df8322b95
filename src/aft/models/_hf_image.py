"""Vision models of Hugging Face transformers."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.models._backbone import Backbone, Batch, Recipe
from aft.models._capture import attach
from aft.models._hf_common import SCRATCH, HFBackbone, make_model
from aft.models._image_backbone import ImageBackbone
from aft.models._spec import ModelSpec
from aft.models._text import require_transformers
from aft.preprocessing import ImagePreprocessing


class HFImage(HFBackbone, ImageBackbone):
    """A vision model whose class token, or the mean of its last feature map, is the features.

    Args:
        model: The model, without a head.
        images: Its preprocessing.
        pooling: ``"cls"`` or ``"mean"``.
        layer: Path of the layer whose output to use; by default the last.
        recipe: Default training settings.
    """

    def __init__(
        self, model: nn.Module, images: ImagePreprocessing, *, pooling: str, layer: str | None, recipe: Recipe
    ) -> None:
        super().__init__()
        self.model = model
        self.images = images
        self.pooling = pooling
        self.layer = layer
        self.recipe = recipe
        self._captured = attach(model, layer, "mean" if pooling == "mean" else "cls")[0] if layer else None
        with torch.no_grad():
            self.dim = self.eval()({"image": torch.zeros(1, *images.shape)}).shape[1]

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        states = self.model(pixel_values=batch["image"]).last_hidden_state
        if self._captured is not None:
            return self._captured.features
        dims = (2, 3) if states.ndim == 4 else 1
        features: Tensor = states[:, 0] if states.ndim == 3 and self.pooling == "cls" else states.mean(dim=dims)
        return features

    def at_layer(self, layer: str | None, pooling: str | None, example: Any) -> Backbone:
        """A backbone over the same model at another layer."""
        return HFImage(self.model, self.images, pooling=pooling or "cls", layer=layer, recipe=self.recipe)

    def config(self) -> dict[str, Any]:
        """Pooling and preprocessing; the architecture is an asset."""
        return {"class": "hf-image", "pooling": self.pooling, "layer": self.layer, "images": self.images.describe()}

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "HFImage":
        """Recreate the model with random weights."""
        transformers = require_transformers()
        architecture = transformers.AutoConfig.from_pretrained(assets, trust_remote_code=False)
        images = ImagePreprocessing(**config["images"])
        return cls(
            make_model(transformers, architecture),
            images,
            pooling=config["pooling"],
            layer=config["layer"],
            recipe=SCRATCH,
        )


def image_preprocessing(transformers: Any, spec: ModelSpec, config: Any) -> ImagePreprocessing:
    """The preprocessing that a model was trained with, as far as its folder describes it.

    Args:
        transformers: The package.
        spec: The name with its option ``image_size``.
        config: The model's configuration.

    Returns:
        The preprocessing.
    """
    size = spec.options.get("image_size") or getattr(config, "image_size", 224)
    size = size[0] if isinstance(size, list | tuple) else size or 224
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(spec.name, trust_remote_code=False)
        mean, std = tuple(processor.image_mean), tuple(processor.image_std)
        crop = getattr(processor, "crop_size", None) or getattr(processor, "size", None)
        if "image_size" not in spec.options and crop and crop.get("height"):
            size = crop["height"]
    except (OSError, ValueError, ImportError):
        pass  # the folder holds only weights; most models are trained with ImageNet's mean and standard deviation
    return ImagePreprocessing(size=int(size), mean=mean, std=std)
