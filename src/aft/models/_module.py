"""Any ``nn.Module`` as a teacher or student."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from aft.data import ARRAY, IMAGE, IMAGE_TEXT, TEXT, TEXT_PAIR, Inputs, Modality
from aft.errors import AftError, ModelError, UsageError, describe_exception
from aft.models._backbone import Backbone, Batch, Recipe
from aft.models._capture import attach, pool_features
from aft.models._final_layer import PROBABILITIES, FinalLayer, final_layer, linear_layers
from aft.models._identity import preprocess_digest, source_of
from aft.models._memory import is_out_of_memory
from aft.models._preprocess import apply, check_alike, check_deterministic, forms
from aft.models._randomness import kept_random_state

RECIPE = Recipe(lr=1e-3, epochs=30, batch_size=64)


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

    accepts: tuple[Modality, ...] = (TEXT, TEXT_PAIR, IMAGE, ARRAY, IMAGE_TEXT)
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
        self._final: FinalLayer | None = None
        self._axes = 2
        self.shape: list[int] | None = None
        if example is not None:
            self.measure(example)

    def measure(self, example: Any) -> None:
        """Run one raw input through the module, to learn the width of its features and which linear layer it ends in."""
        self.shape = list(example.shape) if isinstance(example, np.ndarray) else None
        training = self.training
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        with torch.no_grad():
            batch = {key: value.to(device) for key, value in self.collate(self.encode([example])).items()}
            with linear_layers(self.eval().module) as used:
                output = self.run(batch)
            self.dim = int(self._features(output).shape[1])
            if self.layer is None:
                self._examined, self._final, self._axes = True, final_layer(used, output), output.ndim
        self.train(training)

    def encode_own(self, inputs: Sequence[Any]) -> list[Any]:
        """Preprocess raw inputs one by one."""
        return [self._encode(item) for item in inputs]

    @property
    def augments(self) -> bool:
        """Whether there is a separate preprocessing for training."""
        return self.train_preprocess is not None

    def augment(self, value: Any) -> Any:
        """Preprocess a raw input for one step of training."""
        if self.train_preprocess is None:
            return self.encode([value])[0]
        return apply(self.train_preprocess, self.own([value])[0], "train_preprocess=")

    def check_deterministic(self, inputs: Inputs) -> None:
        """Make sure that the preprocessing gives the same result each time, and in training one of the same form.

        Args:
            inputs: Raw inputs, of which a few are preprocessed several times.

        Raises:
            ModelError: It does not.
        """
        if self.preprocess is not None:
            check_deterministic(lambda value: self.encode([value])[0], inputs, self.name)
        if self.train_preprocess is not None:
            with kept_random_state():
                check_alike(self.encode([inputs[0]])[0], self.augment(inputs[0]))

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
        other = ModuleBackbone(
            self.module, self.preprocess, train_preprocess=self.train_preprocess, layer=layer, pooling=pooling,
            example=self.own([example])[0], name=self.name,
        )  # fmt: skip
        other.accepts = self.accepts
        return other

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
        output = getattr(output, "logits", output)  # of the models of transformers
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

    def encodings(self) -> list[dict[str, Any]]:
        """Arrays are read as they are; what a user has written cannot be described.

        Raises:
            ModelError: There is a preprocessing of the user's, or inputs are not arrays.
        """
        if self.preprocess is not None or self.shape is None:
            return super().encodings()
        return [{"kind": "array", "reads": self.reads, "folder": ".", "shape": list(self.shape)}]

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
            "head": self.head, "shape": self.shape,
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
