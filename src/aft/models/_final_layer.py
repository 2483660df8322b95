"""The linear layer that a module ends in, found by running the module."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

#: What follows a classifier where a module returns probabilities instead of logits.
PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda logits: logits.softmax(-1),
    "log-softmax": lambda logits: logits.log_softmax(-1),
    "sigmoid": torch.sigmoid,
}


class FinalLayer(NamedTuple):
    """The linear layer that a module ends in.

    Attributes:
        name: Its path; empty for the module itself.
        ends: ``"logits"`` if its output is the module's, or the name of one of `PROBABILITIES` that the module returns.
        calls: How often a forward pass uses it.
    """

    name: str
    ends: str
    calls: int

    def __str__(self) -> str:
        """The layer in messages."""
        return f"the linear layer {self.name!r}" if self.name else "one linear layer"


class UsedLayer(NamedTuple):
    """A linear layer at work.

    Attributes:
        name: Its path.
        output: The tensor that it returned.
        copy: What that tensor held then: a later layer may work in place.
        version: How often it had been changed in place.
    """

    name: str
    output: Tensor
    copy: Tensor
    version: int


@contextmanager
def linear_layers(module: nn.Module) -> Iterator[list[UsedLayer]]:
    """A block that records the linear layers that a module uses, in the order of their use."""
    used: list[UsedLayer] = []
    hooks = [
        layer.register_forward_hook(
            lambda _layer, _inputs, output, name=name: used.append(
                UsedLayer(name, output, output.clone(), output._version)
            )
        )
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        yield used
    finally:
        for hook in hooks:
            hook.remove()


def final_layer(used: Sequence[UsedLayer], output: Tensor) -> FinalLayer | None:
    """The layer that a module with this output ends in."""
    for layer in reversed(used):
        ends = _ends(layer, output)
        if ends is not None:
            return FinalLayer(layer.name, ends, sum(other.name == layer.name for other in used))
    return None


def _ends(layer: UsedLayer, output: Tensor) -> str | None:
    """How a module's output is made of that of a linear layer; see `FinalLayer`."""
    if layer.output is output:
        return "logits" if layer.version == output._version else None
    if layer.copy.shape != output.shape:
        return None
    made, returned = layer.copy.double(), output.double()
    if layer.copy.dtype != output.dtype and torch.equal(made, returned):
        return "logits"  # in another precision
    return next(
        (name for name, function in PROBABILITIES.items() if torch.allclose(function(made), returned, atol=1e-4)), None
    )
