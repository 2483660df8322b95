"""Features from any layer of any module, without changing the module."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

from torch import Tensor, nn

from aft.errors import ModelError, UsageError, did_you_mean

Pool = Literal["flatten", "mean", "cls", "max"]
Side = Literal["output", "input"]


class Captured:
    """The latest output, or input, of a layer.

    Its methods are the layer's hooks. A deep copy of a module that holds its `Captured` therefore gets a
    `Captured` of its own, which its own layer fills.

    Attributes:
        raw: The tensor as the layer produced it; None before the first forward pass.
    """

    def __init__(self, layer: str, pool: Pool) -> None:
        self._layer = layer
        self._pool = pool
        self.raw: Tensor | None = None

    @property
    def features(self) -> Tensor:
        """Features ``(B, d)`` of the last batch, attached to its autograd graph.

        Raises:
            ModelError: The layer has not run yet, or its tensor has no batch dimension.
        """
        if self.raw is None:
            raise ModelError(
                f"features exist after a forward pass; layer {self._layer!r} has not run; call the model first"
            )
        return pool_features(self.raw, self._pool)

    def __getstate__(self) -> dict[str, Any]:
        # A copy starts without features: the graph of the last batch belongs to the original, and cannot be
        # copied.
        return {**self.__dict__, "raw": None}

    def _keep_output(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self._keep(output)

    def _keep_input(self, _module: nn.Module, args: Any) -> None:
        self._keep(args)

    def _keep(self, value: Any) -> None:
        while isinstance(value, tuple | list) and value:
            value = value[0]
        if not isinstance(value, Tensor) and hasattr(value, "last_hidden_state"):
            value = value.last_hidden_state
        if not isinstance(value, Tensor):
            raise ModelError(
                f"a captured layer must produce a tensor; {self._layer!r} produced {type(value).__name__}; choose a "
                "layer inside it"
            )
        self.raw = value


@contextmanager
def capture(model: nn.Module, layer: str, pool: Pool = "flatten", side: Side = "output") -> Iterator[Captured]:
    """Capture the output of a layer while the model runs. The model is unchanged afterwards.

    Args:
        model: Any module.
        layer: Path of a submodule, as in ``dict(model.named_modules())``.
        pool: How to obtain ``(B, d)``: ``"flatten"`` all dimensions but the batch; take the ``"mean"`` or
            ``"max"`` over space (of ``(B, C, H, W)``) or tokens (of ``(B, T, C)``); or take the first token,
            ``"cls"``.
        side: Whether to capture the layer's ``"output"`` or its first ``"input"``.

    Yields:
        An object whose ``features`` are those of the last forward pass.

    Raises:
        UsageError: The layer or the pooling does not exist.

    Example:
        >>> with capture(model, "avgpool") as captured:
        ...     logits = model(x)
        ...     phi = captured.features  # (B, d)
    """
    captured, remove = attach(model, layer, pool, side)
    try:
        yield captured
    finally:
        remove()


def attach(
    model: nn.Module, layer: str, pool: Pool = "flatten", side: Side = "output"
) -> tuple[Captured, Callable[[], None]]:
    """Start to capture a layer; see `capture` for the arguments.

    Returns:
        The object that receives the features, and a function that stops capturing.
    """
    modules = dict(model.named_modules())
    if layer not in modules or not layer:
        raise UsageError(
            f"unknown layer {layer!r} of "
            f"{type(model).__name__}{did_you_mean(layer, [name for name in modules if name])}"
        )
    if pool not in get_args(Pool):
        raise UsageError(f"unknown pooling {pool!r}{did_you_mean(str(pool), get_args(Pool))}")
    captured = Captured(layer, pool)
    if side == "output":
        handle = modules[layer].register_forward_hook(captured._keep_output)
    else:
        handle = modules[layer].register_forward_pre_hook(captured._keep_input)
    return captured, handle.remove


def pool_features(value: Tensor, pool: Pool) -> Tensor:
    """Reduce the tensor of a layer to features.

    Args:
        value: ``(B, ...)``.
        pool: See `capture`.

    Returns:
        ``(B, d)``.

    Raises:
        ModelError: The tensor has no batch or no feature dimension, or no tokens for ``"cls"``.
    """
    if value.ndim < 2:
        raise ModelError(
            f"features need a batch dimension and a feature dimension; received shape {tuple(value.shape)}; choose "
            "another layer, or return (B, 1) for one output"
        )
    if value.ndim == 2 or pool == "flatten":
        return value.flatten(1)
    if pool == "cls":
        if value.ndim != 3:
            raise ModelError(
                f"pooling 'cls' takes the first of the tokens (B, T, C); received shape {tuple(value.shape)}; use "
                "'mean'"
            )
        return value[:, 0]
    # In (B, C, H, W), all dimensions after the channels are space. In (B, T, C), the tokens come before them.
    dims = (1,) if value.ndim == 3 else tuple(range(2, value.ndim))
    return value.mean(dim=dims) if pool == "mean" else value.amax(dim=dims)
