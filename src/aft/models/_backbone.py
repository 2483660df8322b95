"""A model with its preprocessing."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import ModelError

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Recipe:
    """Settings to train a kind of student with, where the user gives none.

    Attributes:
        lr: Learning rate of Adam, warmed up and then annealed to zero along a cosine.
        weight_decay: Decoupled.
        epochs: Passes over the labelled samples.
        batch_size: Samples a step; small datasets get smaller batches.
    """

    lr: float
    weight_decay: float = 0.01
    epochs: int = 20
    batch_size: int = 128

    def batch_for(self, samples: int) -> int:
        """A batch that gives at least about five steps an epoch, of 8 samples or more."""
        batch = self.batch_size
        while batch > 8 and samples < batch * 5:
            batch //= 2
        return batch

    def steps_for(self, samples: int, batch: int) -> int:
        """Steps for these passes: at least 100, at most 5,000."""
        return int(min(5000, max(100, round(self.epochs * samples / batch))))


class Backbone(nn.Module, ABC):
    """Raw inputs in, features ``(B, d)`` out.

    Attributes:
        accepts: Kinds of input: ``text``, ``pair``, ``image``, ``array``.
        dim: Width d of the features.
        recipe: Settings to train it with.
        spec: The name that it was loaded by.
    """

    accepts: tuple[str, ...]
    dim: int
    recipe: Recipe
    spec: str = ""

    @abstractmethod
    def encode(self, inputs: Sequence[Any]) -> list[Any]:
        """Preprocess raw inputs, each by itself: token ids, or a tensor. Done once a sample where memory allows."""

    @abstractmethod
    def collate(self, encoded: Sequence[Any]) -> Batch:
        """Put encoded inputs into a batch of tensors."""

    @abstractmethod
    def preprocessing(self) -> dict[str, str | int | float | None]:
        """What `encode` does, for a fingerprint."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """All that `restore_backbone` needs besides weights and `save_assets`, as JSON values."""

    @property
    def network(self) -> nn.Module:
        """What runs, and may be read at several layers."""
        return self

    def reading(self, layer: str | None, pooling: str | None, example: Any) -> "Backbone | None":
        """The same network, read at another layer.

        Args:
            layer: Its path; None for the usual features.
            pooling: As for the model's name; None for the usual.
            example: A raw input.

        Returns:
            A backbone over the same network, or None for a kind whose layers cannot be chosen.
        """
        return None

    def save_assets(self, folder: Path) -> None:
        """Write what is no JSON value, a tokenizer say, into a folder of the run."""

    def length(self, encoded: Any) -> int:
        """Length of an encoded input, to batch by; 1 where all are of one size."""
        return 1

    def truncated(self, encoded: Any) -> bool:
        """Whether encoding cut an input off."""
        return False

    def limit(self) -> str:
        """What inputs are cut to, for a message."""
        return ""

    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over a module's parameters and buffers, in order of their names.

    Args:
        module: Any module.

    Returns:
        64 hexadecimal digits; equal for equal weights whatever file they came from.
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if not isinstance(value, Tensor):
            continue
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Load a state dict from a ``.safetensors`` file, or from a torch file without unpickling objects.

    Args:
        module: What to load into.
        path: The file.

    Raises:
        ModelError: No such file, not a state dict, or one of another architecture.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"--weights is pretrained, random or a file; there is no file {str(path)!r}; check the path")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Mapping[str, Any] = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
        module.load_state_dict(state)
    except Exception as error:  # torch, pickle and safetensors each raise their own
        reason = str(error).splitlines()[0][:200]
        raise ModelError(
            f"--weights is a state dict of {type(module).__name__}; {str(path)!r} is not ({reason}); check the file"
        ) from error
