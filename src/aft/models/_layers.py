"""Shorten a transformer to its first layers."""

from typing import Any

from torch import nn

from aft.errors import UsageError


def keep_first_layers(model: nn.Module, keep: int) -> None:
    """Remove all but the first layers of a transformer, in place.

    Args:
        model: A transformer whose blocks are in one ``ModuleList`` or ``Sequential``.
        keep: Number of blocks to keep.

    Raises:
        UsageError: The model has fewer blocks, or no stack of blocks was found.
    """
    stacks = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList | nn.Sequential)
        and name.rpartition(".")[2] in ("layer", "layers", "h", "block", "blocks")
    ]
    if not stacks:
        raise UsageError(
            f"keep_layers needs a transformer with a stack of blocks; {type(model).__name__} has none; leave it out"
        )
    name, stack = max(stacks, key=lambda item: len(item[1]))
    if not 1 <= keep <= len(stack):
        raise UsageError(f"keep_layers is between 1 and the model's {len(stack)} layers; received {keep}; change it")
    parent = model.get_submodule(name.rpartition(".")[0]) if "." in name else model
    setattr(
        parent,
        name.rpartition(".")[2],
        type(stack)(*stack[:keep]) if isinstance(stack, nn.Sequential) else nn.ModuleList(stack[:keep]),
    )
    if hasattr(model, "config"):
        set_depth(model.config, keep)


def set_depth(config: Any, layers: int) -> None:
    """Set the number of layers in a configuration, under whichever name its architecture uses."""
    for name in ("num_hidden_layers", "num_layers", "n_layer", "n_layers"):
        if hasattr(config, name):
            setattr(config, name, layers)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def set_dropout(config: Any, rate: float) -> None:
    """Set the dropout rates in a configuration, under whichever names its architecture uses. Dropping whole layers is left as it is."""
    for name, value in config.to_dict().items():
        if ("dropout" in name or name.endswith("pdrop")) and isinstance(value, float):
            setattr(config, name, rate)
