"""Models of the CLIP and SigLIP families in transformers: a tower for images, and a tower for texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aft.models._backbone import Batch, Recipe
from aft.models._hf_common import PRETRAINED, SCRATCH, HFBackbone, make_model
from aft.models._image_backbone import ImageBackbone
from aft.models._text import TextBackbone, require_transformers
from aft.preprocessing import ImagePreprocessing, Tokens

#: What belongs to each tower, and what to neither: the scale of the similarity in their training.
OWN = {"image": ("vision_model", "visual_projection"), "text": ("text_model", "text_projection")}
SHARED = ("logit_scale", "logit_bias")


class HFImageTower(HFBackbone, ImageBackbone):
    """The image embedding of a model of the CLIP or SigLIP family.

    Args:
        model: The model of transformers.
        images: Its preprocessing.
        recipe: Default training settings.
    """

    def __init__(self, model: nn.Module, images: ImagePreprocessing, recipe: Recipe = PRETRAINED) -> None:
        super().__init__()
        self.model = model
        self.images = images
        self.recipe = recipe
        with torch.no_grad():
            self.dim = self.eval()({"image": torch.zeros(1, *images.shape)}).shape[1]

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        return _embedding(self.model.get_image_features(pixel_values=batch["image"]))

    def config(self) -> dict[str, Any]:
        """The preprocessing; the architecture is an asset."""
        return {"class": "hf-image-tower", "images": self.images.describe()}

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "HFImageTower":
        """Recreate the tower with random weights."""
        return cls(_architecture(assets, "image"), ImagePreprocessing(**config["images"]), SCRATCH)


class HFTextTower(HFBackbone, TextBackbone):
    """The text embedding of a model of the CLIP or SigLIP family.

    Args:
        model: The model of transformers.
        tokenizer: Its tokenizer.
        max_length: Largest number of tokens per text; longer texts are truncated.
        prompt: Text to put before every text.
        recipe: Default training settings.
    """

    def __init__(
        self, model: nn.Module, tokenizer: Any, *, max_length: int, prompt: str = "", recipe: Recipe = PRETRAINED
    ) -> None:
        super().__init__(tokenizer, max_length, prompt)
        self.model = model
        self.recipe = recipe
        # SigLIP was trained on texts padded to one length, with nothing masked: padding is part of its input.
        config: Any = model.config
        self._always_padded = str(config.model_type).startswith("siglip")
        with torch.no_grad():
            self.dim = self.eval()(self.collate(self.encode(["a"]))).shape[1]

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        return _embedding(self.model.get_text_features(**batch))

    def collate(self, encoded: Sequence[Tokens]) -> Batch:
        """Pad on the right: ``input_ids`` ``(B, T)`` and, where padding is masked, ``attention_mask``."""
        batch = super().collate(encoded)
        batch.pop("token_type_ids", None)
        if self._always_padded:
            ids = batch["input_ids"]
            return {"input_ids": F.pad(ids, (0, self.max_length - ids.shape[1]), value=self._pad)}
        return batch

    def encodings(self) -> list[dict[str, Any]]:
        """As for any text, and the length that all texts are padded to."""
        (own,) = super().encodings()
        return [{**own, "segments": False, "length": self.max_length if self._always_padded else None}]

    def config(self) -> dict[str, Any]:
        """The limits; the tokenizer and the architecture are assets."""
        return {"class": "hf-text-tower", "max_length": self.max_length, "prompt": self.prompt}

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "HFTextTower":
        """Recreate the tower with random weights."""
        tokenizer = require_transformers().AutoTokenizer.from_pretrained(assets, trust_remote_code=False)
        return cls(
            _architecture(assets, "text"),
            tokenizer,
            max_length=config["max_length"],
            prompt=config["prompt"],
            recipe=SCRATCH,
        )


def has_towers(config: Any) -> bool:
    """Whether an architecture is one of the CLIP or SigLIP families.

    Args:
        config: The configuration of transformers.
    """
    both = hasattr(config, "text_config") and hasattr(config, "vision_config")
    return both and any(family in config.model_type for family in ("clip", "siglip"))


def keep_tower(model: nn.Module, reads: str) -> nn.Module:
    """Remove the other tower from a model, so that it is neither trained nor stored.

    Args:
        model: The model of transformers.
        reads: ``"image"`` or ``"text"``.

    Returns:
        The model.
    """
    (other,) = set(OWN) - {reads}
    for name in (*OWN[other], *SHARED):
        if hasattr(model, name):
            setattr(model, name, None)
    return model


def _embedding(output: Any) -> Tensor:
    embedding: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return embedding


def _architecture(assets: Path, reads: str) -> nn.Module:
    transformers = require_transformers()
    config = transformers.AutoConfig.from_pretrained(assets, trust_remote_code=False)
    return keep_tower(make_model(transformers, config), reads)
