"""Any ``nn.Module``, handed in or made by a factory of the user's."""

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from aft.errors import ModelError, UsageError
from aft.models._backbone import Backbone, Batch, Recipe, load_weights
from aft.models._capture import attach, pool_features
from aft.models._spec import ModelSpec

RECIPE = Recipe(lr=1e-3, epochs=30, batch_size=64)


class ModuleBackbone(Backbone):
    """A module that maps a batch of tensors to features, or whose inner layer does.

    Args:
        module: The model.
        preprocess: Maps one raw input to a tensor, an array or a dict of tensors; by default arrays are taken as they are, and
            images become floats in 0..1.
        layer: Path of the layer whose output to take; by default the module's own output.
        pooling: ``flatten``, ``mean``, ``cls`` or ``max`` of that output.
        example: A raw input to find the features' width with.
        name: What to call it.
    """

    accepts = ("text", "pair", "image", "array")
    recipe = RECIPE

    def __init__(
        self, module: nn.Module, preprocess: Callable[[Any], Any] | None = None, *, layer: str | None = None,
        pooling: str | None = None, example: Any = None, name: str = "",
    ) -> None:  # fmt: skip
        super().__init__()
        self.module = module
        self.preprocess = preprocess
        self.layer = layer
        self.pooling = pooling or "mean"
        self.name = name
        self._captured = attach(module, layer, self.pooling)[0] if layer else None  # type: ignore[arg-type]
        if example is not None:
            self.measure(example)

    def measure(self, example: Any) -> None:
        """Find the width of the features with one raw input."""
        training = self.training
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        with torch.no_grad():
            batch = {key: value.to(device) for key, value in self.collate(self.encode([example])).items()}
            self.dim = int(self.eval()(batch).shape[1])
        self.train(training)

    def encode(self, inputs: Sequence[Any]) -> list[Any]:
        """Preprocess each input."""
        return [self._encode(item) for item in inputs]

    def collate(self, encoded: Sequence[Any]) -> Batch:
        """Stack; a single tensor goes by the name ``input``."""
        try:
            stacked = default_collate(list(encoded))
        except (RuntimeError, TypeError) as error:
            reason = str(error).splitlines()[0][:120]
            raise ModelError(
                f"preprocessing must give tensors of one shape; it gave others ({reason}); pad or resize in preprocess"
            ) from error
        return dict(stacked) if isinstance(stacked, dict) else {"input": stacked}

    def forward(self, batch: Batch) -> Tensor:
        """``(B, d)``."""
        output = self.run(batch)
        return pool_features(output, self.pooling) if self._captured is None else self._captured.features  # type: ignore[arg-type]

    @property
    def network(self) -> nn.Module:
        """The module."""
        return self.module

    def reading(self, layer: str | None, pooling: str | None, example: Any) -> Backbone:
        """The same module, read at another layer."""
        return ModuleBackbone(
            self.module, self.preprocess, layer=layer, pooling=pooling, example=example, name=self.name
        )

    def run(self, batch: Batch) -> Tensor:
        """The module's own output."""
        output: Any = self.module(batch["input"]) if set(batch) == {"input"} else self.module(**batch)
        while isinstance(output, tuple | list):
            output = output[0]
        if not isinstance(output, Tensor) and self._captured is None:
            raise ModelError(
                f"a module gives features (B, d); {self.name or type(self.module).__name__} gave {type(output).__name__}; name a layer"
            )
        result: Tensor = output
        return result

    def own_head(self, outputs: int) -> str | None:
        """Path of the module's own classifier: its last linear layer, if that has as many outputs as the task.

        Args:
            outputs: C.

        Returns:
            The path, or None: then the module's output is features.
        """
        linear = [(name, layer) for name, layer in self.module.named_modules() if isinstance(layer, nn.Linear) and name]
        if self.layer is not None or not linear or linear[-1][1].out_features != outputs:
            return None
        name: str = linear[-1][0]
        return name

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """The preprocessing's source, as far as it can be seen."""
        if self.preprocess is None:
            return {"preprocess": None}
        return {"preprocess": hashlib.sha256(_identity(self.preprocess).encode()).hexdigest()}

    def config(self) -> dict[str, Any]:
        """Name, layer and pooling."""
        return {"class": "module", "name": self.name, "layer": self.layer, "pooling": self.pooling, "dim": self.dim}

    def _encode(self, item: Any) -> Any:
        if self.preprocess is not None:
            value = self.preprocess(item)
            return torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        if isinstance(item, np.ndarray):
            return torch.from_numpy(np.ascontiguousarray(item))
        if hasattr(item, "convert"):
            return torch.from_numpy(np.array(item.convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)
        raise ModelError(
            f"a module takes tensors; received {type(item).__name__} without preprocessing; return (module, preprocess) from the factory"
        )


def load_python(spec: ModelSpec, example: Any, *, role: str) -> ModuleBackbone:
    """Load ``python:package.module:factory``.

    The factory is called without arguments, or with ``weights=`` if it takes that, and returns a module or
    ``(module, preprocess)``.

    Args:
        spec: The name; options ``weights``, ``layer``, ``pooling``.
        example: A raw input to find the features' width with.
        role: ``"teacher"`` or ``"student"``, for messages.

    Returns:
        The backbone.
    """
    path, colon, attribute = spec.name.partition(":")
    if not colon:
        raise UsageError(f"python: names package.module:factory; received {spec.name!r}; add the factory's name")
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise ModelError(
            f"python: names an importable module; {path!r} could not be imported ({error}); install it or set PYTHONPATH"
        ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise ModelError(f"python: names a factory; {path!r} has no callable {attribute!r}; check the name")
    weights = spec.options.get("weights", "pretrained")
    takes_weights = "weights" in inspect.signature(factory).parameters
    if weights == "random" and not takes_weights:
        raise UsageError(
            f"--weights random needs a factory that takes weights=; {spec.name!r} does not; add the argument to it"
        )
    made = factory(weights=weights) if takes_weights and weights in ("pretrained", "random") else factory()
    network, preprocess = made if isinstance(made, tuple) else (made, None)
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"a {role}'s factory returns an nn.Module or (module, preprocess); {spec.name!r} returned {type(network).__name__}"
        )
    if weights not in ("pretrained", "random"):
        load_weights(network, weights)
    return ModuleBackbone(
        network,
        preprocess,
        layer=spec.options.get("layer"),
        pooling=spec.options.get("pooling"),
        example=example,
        name=spec.name,
    )


def _identity(preprocess: Any) -> str:
    """What can be seen of a function or object that preprocesses: its source, and the values that it was made with."""
    try:
        source = inspect.getsource(preprocess if inspect.isroutine(preprocess) else type(preprocess))
    except (OSError, TypeError):
        source = ""
    cells = [cell.cell_contents for cell in getattr(preprocess, "__closure__", None) or ()]
    seen = [preprocess, getattr(preprocess, "__defaults__", None), cells]
    if not inspect.isroutine(preprocess):
        seen.append(sorted((key, repr(value)) for key, value in getattr(preprocess, "__dict__", {}).items()))
    # Addresses differ from run to run, and say nothing.
    return source + re.sub(r" at 0x[0-9a-f]+", "", repr(seen))
