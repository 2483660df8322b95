"""What text and vision models of transformers' have in common."""

from typing import Any

from torch import nn

from aft.models._backbone import Recipe

PRETRAINED = Recipe(lr=1e-4, epochs=10)
SCRATCH = Recipe(lr=5e-4, epochs=30)


def make_model(transformers: Any, config: Any) -> nn.Module:
    """Make a model without a head, with random weights.

    Args:
        transformers: The package.
        config: An architecture of its.

    Returns:
        The model, or its encoder where it has a decoder too.
    """
    if getattr(config, "is_encoder_decoder", False):
        return encoder_of(transformers.AutoModel.from_config(config))
    model: nn.Module = transformers.AutoModel.from_config(config)
    return without_pooler(model)


def encoder_of(model: Any) -> nn.Module:
    """The encoder of a model with a decoder."""
    encoder: nn.Module = model.get_encoder()
    return encoder


def without_pooler(model: Any) -> nn.Module:
    """The model without the layer over its first token."""
    # A pooling layer that nothing reads would be untrained weight in every run.
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.pooler = None
    network: nn.Module = model
    return network
