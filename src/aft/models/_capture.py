"""Features of any module, without rewriting it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

from torch import Tensor, nn

from aft.errors import ModelError, UsageError, did_you_mean

Pool = Literal["flatten", "mean", "cls", "max"]
Side = Literal["output", "input"]


class Captured:
    """What a layer last gave.

    Attributes:
        raw: The tensor as it came, or None before the first forward.
    """

    def __init__(self, layer: str, pool: Pool) -> None:
        self._layer = layer
        self._pool = pool
        self.raw: Tensor | None = None

    @property
    def features(self) -> Tensor:
        """The features of the last batch, ``(B, d)``, with their graph.

        Raises:
            ModelError: The layer has not run, or has no batch dimension.
        """
        if self.raw is None:
            raise ModelError(f"features exist after a forward; layer {self._layer!r} has not run; call the model first")
        return pool_features(self.raw, self._pool)


@contextmanager
def capture(model: nn.Module, layer: str, pool: Pool = "flatten", side: Side = "output") -> Iterator[Captured]:
    """Keep what a layer gives while the model runs; the model is as before afterwards.

    Args:
        model: Any module.
        layer: Path of a submodule, as in ``dict(model.named_modules())``.
        pool: How to get ``(B, d)``: ``"flatten"`` all but the batch, the ``"mean"`` or ``"max"`` over space (of ``(B, C, H, W)``)
            or tokens (of ``(B, T, C)``), or the first token, ``"cls"``.
        side: The layer's ``"output"``, or its first ``"input"``.

    Yields:
        An object whose ``features`` are those of the last forward.

    Raises:
        UsageError: No such layer or pooling.

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


def attach(model: nn.Module, layer: str, pool: Pool = "flatten", side: Side = "output") -> tuple[Captured, Any]:
    """Start capturing; returns what was captured and a function that stops it. See `capture`."""
    modules = dict(model.named_modules())
    if layer not in modules or not layer:
        raise UsageError(
            f"unknown layer {layer!r} of {type(model).__name__}{did_you_mean(layer, [name for name in modules if name])}"
        )
    if pool not in get_args(Pool):
        raise UsageError(f"unknown pooling {pool!r}{did_you_mean(str(pool), get_args(Pool))}")
    captured = Captured(layer, pool)

    def keep(value: Any) -> None:
        while isinstance(value, tuple | list) and value:
            value = value[0]
        if not isinstance(value, Tensor) and hasattr(value, "last_hidden_state"):
            value = value.last_hidden_state
        if not isinstance(value, Tensor):
            raise ModelError(
                f"a captured layer gives a tensor; {layer!r} gave {type(value).__name__}; choose a layer inside it"
            )
        captured.raw = value

    if side == "output":
        handle = modules[layer].register_forward_hook(lambda _module, _args, output: keep(output))
    else:
        handle = modules[layer].register_forward_pre_hook(lambda _module, args: keep(args))
    return captured, handle.remove


def pool_features(value: Tensor, pool: Pool) -> Tensor:
    """Make ``(B, d)`` of a layer's tensor; see `capture`."""
    if value.ndim < 2:
        raise ModelError(
            f"features have a batch dimension and one of their own; received shape {tuple(value.shape)}; choose another layer"
        )
    if value.ndim == 2 or pool == "flatten":
        return value.flatten(1)
    if pool == "cls":
        if value.ndim != 3:
            raise ModelError(
                f"pooling 'cls' takes the first of the tokens (B, T, C); received shape {tuple(value.shape)}; use 'mean'"
            )
        return value[:, 0]
    # Images are (B, C, H, W): everything after the channels is space. Tokens are (B, T, C).
    dims = (1,) if value.ndim == 3 else tuple(range(2, value.ndim))
    return value.mean(dim=dims) if pool == "mean" else value.amax(dim=dims)
