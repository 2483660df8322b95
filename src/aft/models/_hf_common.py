"""What the text and vision models of Hugging Face transformers have in common."""

from pathlib import Path
from typing import Any

from torch import nn

from aft.models._backbone import Backbone, Recipe

#: Small batches: with 64 and 128 samples a step, distilled students of movie sentences were 0.4 and 1.1 points worse (docs/log.md).
PRETRAINED = Recipe(lr=1e-4, epochs=10, batch_size=32)
SCRATCH = Recipe(lr=5e-4, epochs=30)


class HFBackbone(Backbone):
    """What backbones around a model of transformers share.

    Attributes:
        model: The model, without a head.
    """

    model: Any

    @property
    def network(self) -> nn.Module:
        """The model of transformers."""
        network: nn.Module = self.model
        return network

    def save_assets(self, directory: Path) -> None:
        """Write the architecture, as transformers does, beside what else belongs to the backbone."""
        super().save_assets(directory)
        self.model.config.save_pretrained(directory)


def make_model(transformers: Any, config: Any) -> nn.Module:
    """Create a model without a head and with random weights.

    Args:
        transformers: The package.
        config: The configuration of an architecture.

    Returns:
        The model; only its encoder if it is an encoder-decoder.
    """
    if getattr(config, "is_encoder_decoder", False):
        return encoder_of(transformers.AutoModel.from_config(config))
    model: nn.Module = transformers.AutoModel.from_config(config)
    return without_pooler(model)


def encoder_of(model: Any) -> nn.Module:
    """The encoder of an encoder-decoder model."""
    encoder: nn.Module = model.get_encoder()
    return encoder


def without_pooler(model: Any) -> nn.Module:
    """Remove the pooling layer over the first token, if there is one."""
    # Its output is not used, so it would add untrained weights to every run.
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.pooler = None
    network: nn.Module = model
    return network
