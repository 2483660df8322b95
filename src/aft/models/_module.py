"""Any ``nn.Module`` as a teacher or student, passed directly or created by a user's factory."""

import copy
import hashlib
import importlib
import inspect
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from aft.data import ARRAY, IMAGE, TEXT, TEXT_PAIR, Inputs
from aft.errors import AftError, ModelError, UsageError, describe_exception
from aft.models._backbone import Backbone, Batch, Recipe, Role, load_weights
from aft.models._capture import attach, pool_features
from aft.models._memory import is_out_of_memory
from aft.models._preprocess import apply, check_alike, check_deterministic, forms, preprocess_digest, source_of
from aft.models._randomness import kept_random_state
from aft.models._spec import ModelSpec

RECIPE = Recipe(lr=1e-3, epochs=30, batch_size=64)

#: The modules that factories have returned.
_RETURNED: weakref.WeakSet[nn.Module] = weakref.WeakSet()
#: What follows a classifier where a module returns probabilities instead of logits.
PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda logits: logits.softmax(-1),
    "log-softmax": lambda logits: logits.log_softmax(-1),
    "sigmoid": torch.sigmoid,
}


class _Final(NamedTuple):
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


class ModuleBackbone(Backbone):
    """A module whose output, or the output of one of its layers, is the features.

    Args:
        module: The model.
        preprocess: Maps one raw input to a tensor, an array or a dict of tensors. By default arrays are used
            as they are, and images become floats between 0 and 1. It must be deterministic.
        train_preprocess: The same for training, where it is called at every use and may be random.
        layer: Path of the layer whose output to use; by default the output of the module.
        pooling: How to pool that output: ``"flatten"``, ``"mean"``, ``"cls"`` or ``"max"``.
        example: A raw input, to determine the width of the features.
        name: Name of the module, for messages and the run's config.
    """

    accepts = (TEXT, TEXT_PAIR, IMAGE, ARRAY)
    recipe = RECIPE

    def __init__(
        self, module: nn.Module, preprocess: Callable[[Any], Any] | None = None, *,
        train_preprocess: Callable[[Any], Any] | None = None, layer: str | None = None,
        pooling: str | None = None, example: Any = None, name: str = "",
    ) -> None:  # fmt: skip
        super().__init__()
        self.module = module
        self.preprocess = preprocess
        self.train_preprocess = train_preprocess
        self.layer = layer
        self.pooling = pooling or "mean"
        self.name = name
        self._captured = attach(module, layer, self.pooling)[0] if layer else None  # type: ignore[arg-type]
        #: Path of the module's own classifier, once `own_head` has found one.
        self.head: str | None = None
        self._examined = False
        self._final: _Final | None = None
        self._axes = 2
        self._shape: list[int] | None = None
        if example is not None:
            self.measure(example)

    def measure(self, example: Any) -> None:
        """Run one raw input through the module, to learn the width of its features and which linear layer it ends in."""
        self._shape = list(example.shape) if isinstance(example, np.ndarray) else None
        training = self.training
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        with torch.no_grad():
            batch = {key: value.to(device) for key, value in self.collate(self.encode([example])).items()}
            with _linear_layers(self.eval().module) as used:
                output = self.run(batch)
            self.dim = int(self._features(output).shape[1])
            if self.layer is None:
                self._examined, self._final, self._axes = True, _final(used, output), output.ndim
        self.train(training)

    def encode(self, inputs: Sequence[Any]) -> list[Any]:
        """Preprocess raw inputs one by one."""
        return [self._encode(item) for item in inputs]

    @property
    def augments(self) -> bool:
        """Whether there is a separate preprocessing for training."""
        return self.train_preprocess is not None

    def augment(self, value: Any) -> Any:
        """Preprocess a raw input for one step of training."""
        if self.train_preprocess is None:
            return self._encode(value)
        return apply(self.train_preprocess, value, "train_preprocess=")

    def check_deterministic(self, inputs: Inputs) -> None:
        """Make sure that the preprocessing gives the same result each time, and in training one of the same form.

        Args:
            inputs: Raw inputs, of which a few are preprocessed several times.

        Raises:
            ModelError: It does not.
        """
        if self.preprocess is not None:
            check_deterministic(self._encode, inputs, self.name)
        if self.train_preprocess is not None:
            with kept_random_state():
                check_alike(self._encode(inputs[0]), self.augment(inputs[0]))

    def collate(self, encoded: Sequence[Any]) -> Batch:
        """Stack encoded inputs.

        Returns:
            The dict of tensors that the preprocessing returns, each with a batch dimension. The module
            receives them by keyword; a single tensor is named ``input`` and passed by position.

        Raises:
            ModelError: The encoded inputs differ in shape.
        """
        try:
            stacked = default_collate(list(encoded))
        except (RuntimeError, TypeError) as error:
            reason = str(error).splitlines()[0][:120]
            raise ModelError(
                f"preprocessing must return tensors of one shape; it did not ({reason}); pad or resize in the "
                "preprocess function"
            ) from error
        return dict(stacked) if isinstance(stacked, dict) else {"input": stacked}

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        return self._features(self.run(batch))

    @property
    def network(self) -> nn.Module:
        """The module."""
        return self.module

    def at_layer(self, layer: str | None, pooling: str | None, example: Any) -> Backbone:
        """A backbone over the same module at another layer."""
        return ModuleBackbone(
            self.module, self.preprocess, train_preprocess=self.train_preprocess, layer=layer, pooling=pooling,
            example=example, name=self.name,
        )  # fmt: skip

    def run(self, batch: Batch) -> Tensor:
        """The output of the module itself.

        Raises:
            ModelError: The output is not a tensor.
        """
        try:
            output: Any = self.module(batch["input"]) if set(batch) == {"input"} else self.module(**batch)
        except Exception as error:  # it is the user's code
            if isinstance(error, AftError) or is_out_of_memory(error):
                raise
            raise ModelError(
                f"a module takes batches of what its preprocessing returns; {self.name or type(self.module).__name__} failed on "
                f"{forms(batch)} ({describe_exception(error)}); correct the module, or convert its inputs in preprocess="
            ) from error
        while isinstance(output, tuple | list) and output:
            output = output[0]
        if not isinstance(output, Tensor) and self._captured is None:
            raise ModelError(
                f"a module must return features (B, d); {self.name or type(self.module).__name__} returned "
                f"{type(output).__name__}; name a layer with layer="
            )
        result: Tensor = output
        return result

    def own_head(self, outputs: int) -> str | None:
        """Find the module's own classifier: the linear layer that it ends in, with as many outputs as the task.

        Args:
            outputs: Number C of outputs of the task.

        Returns:
            The path of the classifier, which is empty if the module is one linear layer; None if its output is features.

        Raises:
            UsageError: It cannot be told whether the output is logits or features, or which features the classifier sees; or
                the output is probabilities, or logits of another task.
        """
        final = self._final
        if not self._examined:
            return self.head
        if final is None and self.dim != outputs:
            return None
        if final is None:
            raise UsageError(
                f"a student ends in a linear layer with one output per class, or returns features; {self.name} ends in something "
                f"else, with {self.dim} columns for the task's {outputs}, which may be either; end it in nn.Linear, or name the "
                "layer whose output is features with layer="
            )
        if self.dim != outputs:
            raise UsageError(
                f"a student has one output per class, or returns features; {self.name} ends in {final} with {self.dim} outputs, "
                f"and the task has {outputs}{' (it is a regression)' * (outputs == 1)}; give it {outputs} outputs, or name the "
                "layer whose output is features with layer="
                + (f" ({final.name!r} itself, if it is a projection)" if final.name else "")
            )
        if final.ends in PROBABILITIES:
            raise UsageError(
                f"a student returns logits, since the losses turn them into probabilities; {self.name} returns the "
                f"{final.ends} of {final}; remove it"
            )
        if self._axes != 2 or final.calls > 1:
            found = f"with {self._axes} axes" if self._axes != 2 else f"which it uses {final.calls} times"
            raise UsageError(
                f"a student returns logits (B, C) of one classifier; {self.name} returns the outputs of {final}, {found}; pool "
                "before it, or name the layer whose output is features with layer="
            )
        self.head = final.name
        return self.head

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """A digest of the preprocessing function's source code and of the values that it holds."""
        if self.preprocess is None:
            return {"preprocess": None}
        return {"preprocess": preprocess_digest(self.preprocess)}

    def train_preprocessing(self) -> str | None:
        """A digest of the preprocessing for training; None if it is the same."""
        return None if self.train_preprocess is None else preprocess_digest(self.train_preprocess)

    def identity(self) -> tuple[str, str]:
        """Digests of the module's layers, as its repr shows them, and of its class's source code."""
        module, code = repr(self.module), source_of(type(self.module))
        return hashlib.sha256(module.encode()).hexdigest(), hashlib.sha256(code.encode()).hexdigest()

    def config(self) -> dict[str, Any]:
        """Name, layer, pooling, width and classifier; the module itself is code and is not saved."""
        return {
            "class": "module", "name": self.name, "layer": self.layer, "pooling": self.pooling, "dim": self.dim,
            "head": self.head, "shape": self._shape,
        }  # fmt: skip

    def _features(self, output: Tensor) -> Tensor:
        """The features of the forward pass that returned an output."""
        if self._captured is not None:
            return self._captured.features
        return pool_features(output, self.pooling)  # type: ignore[arg-type]

    def _encode(self, item: Any) -> Any:
        if self.preprocess is not None:
            return apply(self.preprocess, item)
        if isinstance(item, np.ndarray):
            return torch.from_numpy(np.ascontiguousarray(item))
        if hasattr(item, "convert"):
            return torch.from_numpy(np.array(item.convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)
        raise ModelError(
            f"a module takes tensors; received {type(item).__name__} without preprocessing; pass preprocess=, or "
            "return (module, preprocess) from the factory"
        )


def load_python(spec: ModelSpec, example: Any, *, role: Role) -> ModuleBackbone:
    """Load ``python:package.module:factory``.

    The factory is called with ``weights=`` if it has such a parameter and else without arguments. It returns
    a module, ``(module, preprocess)`` or ``(module, preprocess, train_preprocess)``.

    Args:
        spec: The name with its options ``weights``, ``layer`` and ``pooling``.
        example: A raw input, to determine the width of the features.
        role: ``"teacher"`` or ``"student"``, for messages.

    Returns:
        The backbone.

    Raises:
        ModelError: The module cannot be imported, or the factory does not exist or does not return a module.
        UsageError: The name has no factory, or random weights are requested from a factory without
            ``weights=``.
    """
    path, colon, attribute = spec.name.partition(":")
    if not colon:
        raise UsageError(
            f"the name of a python: model is package.module:factory; received {spec.name!r}; add the name of the "
            "factory"
        )
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise ModelError(
            f"python: needs an importable module; {path!r} could not be imported ({error}); install it, or set "
            "PYTHONPATH"
        ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise ModelError(f"python: needs a factory; {path!r} has no callable {attribute!r}; check the name")
    weights = spec.options.get("weights", "pretrained")
    takes_weights = "weights" in _parameters(factory)
    if weights == "random" and not takes_weights:
        raise UsageError(
            f"weights='random' needs a factory with a parameter named weights; {spec.name!r} has none; add the "
            "parameter to it"
        )
    try:
        made = factory(weights=weights) if takes_weights and weights in ("pretrained", "random") else factory()
    except AftError:
        raise
    except Exception as error:  # it is the user's code
        raise ModelError(
            f"a factory is called without arguments, or with weights=; {spec.name!r} failed ({describe_exception(error)}); correct it"
        ) from error
    network, preprocess, train_preprocess = (*made, None, None)[:3] if isinstance(made, tuple) else (made, None, None)
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"the factory of a {role} must return an nn.Module, (module, preprocess) or (module, preprocess, "
            f"train_preprocess); {spec.name!r} returned {type(network).__name__}"
        )
    if network in _RETURNED:
        network = copy.deepcopy(network)  # the factory returns one module again and again, which others train
    _RETURNED.add(network)
    if weights not in ("pretrained", "random"):
        load_weights(network, weights)
    return ModuleBackbone(
        network,
        preprocess,
        train_preprocess=train_preprocess,
        layer=spec.options.get("layer"),
        pooling=spec.options.get("pooling"),
        example=example,
        name=spec.name,
    )


def _parameters(factory: Callable[..., Any]) -> Sequence[str]:
    """Names of a function's parameters; none where they are not known."""
    try:
        return list(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return []


class _Used(NamedTuple):
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
def _linear_layers(module: nn.Module) -> Iterator[list[_Used]]:
    """A block that records the linear layers that a module uses, in the order of their use."""
    used: list[_Used] = []
    hooks = [
        layer.register_forward_hook(
            lambda _layer, _inputs, output, name=name: used.append(_Used(name, output, output.clone(), output._version))
        )
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        yield used
    finally:
        for hook in hooks:
            hook.remove()


def _final(used: Sequence[_Used], output: Tensor) -> _Final | None:
    """The layer that a module with this output ends in."""
    for layer in reversed(used):
        ends = _ends(layer, output)
        if ends is not None:
            return _Final(layer.name, ends, sum(other.name == layer.name for other in used))
    return None


def _ends(layer: _Used, output: Tensor) -> str | None:
    """How a module's output is made of that of a linear layer; see `_Final`."""
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
