"""The common interface of teachers and students: a model together with its preprocessing."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from aft.data import Inputs, Modality, modality_name
from aft.errors import ModelError, UsageError

Batch = dict[str, Tensor]
Role = Literal["teacher", "student", "part"]


@dataclass(frozen=True)
class Recipe:
    """Default training settings of a kind of student.

    Attributes:
        lr: Peak learning rate of the optimiser; it is warmed up and then annealed to zero along a cosine.
        weight_decay: Decoupled weight decay.
        epochs: Passes over the labelled samples.
        batch_size: Largest number of samples per step; small datasets use smaller batches.
    """

    lr: float
    weight_decay: float = 0.01
    epochs: int = 20
    batch_size: int = 128

    def batch_for(self, samples: int) -> int:
        """Batch size for a dataset: halved until an epoch has five steps or a batch has 8 samples.

        Args:
            samples: Number of labelled training samples.
        """
        batch = self.batch_size
        while batch > 8 and samples < batch * 5:
            batch //= 2
        return batch

    def steps_for(self, samples: int, batch: int) -> int:
        """Number of steps that make up the epochs, between 100 and 5,000.

        Args:
            samples: Number of labelled training samples.
            batch: Number of them per step.
        """
        return int(min(5000, max(100, round(self.epochs * samples / batch))))


class Backbone(nn.Module, ABC):
    """A model with its preprocessing: it maps raw inputs to features ``(B, d)``.

    Attributes:
        accepts: Modalities that it can encode, for example ``(("text",), ("text", "text"))``.
        dim: Width d of the features.
        recipe: Default settings for training it.
        spec: The name that it was loaded by.
        reads: Position of the part of an input that it reads, such as the text of an image with a text; None for the whole input.
    """

    accepts: tuple[Modality, ...]
    dim: int
    recipe: Recipe
    spec: str = ""
    reads: int | None = None

    def encode(self, inputs: Sequence[Any]) -> list[Any]:
        """Preprocess raw inputs independently of each other, for example to token ids or pixel tensors.

        Args:
            inputs: Raw inputs of the modality that the backbone was last told to `read`, or of one that it accepts.

        Returns:
            One encoded input for each.
        """
        return self.encode_own(self.own(inputs))

    @abstractmethod
    def encode_own(self, inputs: Sequence[Any]) -> list[Any]:
        """The same for what the backbone reads of each input."""

    def own(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """What the backbone reads of each input."""
        return inputs if self.reads is None else [value[self.reads] for value in inputs]

    @property
    def augments(self) -> bool:
        """Whether `augment` differs from `encode`. Encoded training inputs are then not kept."""
        return False

    def augment(self, value: Any) -> Any:
        """Preprocess a raw input for one step of training, with random augmentation if the backbone has its own.

        The random numbers come from Python's, NumPy's and torch's generators, which the caller seeds.
        """
        return self.encode([value])[0]

    def check_deterministic(self, inputs: Inputs) -> None:
        """Make sure that `encode` gives the same result each time, if a user has written it.

        Args:
            inputs: Raw inputs, of which a few are preprocessed several times.

        Raises:
            ModelError: It does not.
        """

    @abstractmethod
    def collate(self, encoded: Sequence[Any]) -> Batch:
        """Combine B encoded inputs into a batch of tensors, the argument of ``forward``."""

    @abstractmethod
    def preprocessing(self) -> dict[str, str | int | float | None]:
        """A description of `encode` for the fingerprint of features."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """JSON values that `restore_backbone` needs besides the weights and the files of `save_assets`."""

    def encodings(self) -> list[dict[str, Any]]:
        """What `encode` and `graph_batch` do, as JSON values that do without torch: one description for each part of the backbone.

        Each has its ``kind``, what it ``reads``, and the ``folder`` of its files, relative to that of `save_encodings`.

        Raises:
            ModelError: It is code of a user's.
        """
        raise ModelError(
            f"an exported student reads inputs by itself; the preprocessing of {self.spec or type(self).__name__} is code, which no file "
            "describes; train on arrays, or on a student that aft knows by name"
        )

    def save_encodings(self, directory: Path) -> None:
        """Write the files that `encodings` calls for."""

    def graph_batch(self, encoded: Sequence[Any]) -> Batch:
        """The batch that an exported graph gets: that of `collate`, unless its tensors have no batch dimension."""
        return self.collate(encoded)

    @property
    def network(self) -> nn.Module:
        """The module whose layers `at_layer` can read; backbones of one network share a forward pass."""
        return self

    def at_layer(self, layer: str | None, pooling: str | None, example: Any) -> "Backbone | None":
        """A second backbone over the same network that takes its features from another layer.

        Args:
            layer: Path of the layer; None for the default features.
            pooling: As in the name of a model; None for the default.
            example: A raw input, to determine the width of the features.

        Returns:
            The backbone; None if its kind does not support a choice of layers.
        """
        return None

    def save_assets(self, directory: Path) -> None:
        """Write files that `restore_backbone` needs and that are not JSON values, for example a tokenizer."""

    def length(self, encoded: Any) -> int:
        """Length of an encoded input, for batching similar lengths; 1 if all inputs have the same size."""
        return 1

    @classmethod
    def defines(cls, method: str) -> bool:
        """Whether a kind of backbone has a method of its own, so that it has to be asked for each sample."""
        return getattr(cls, method) is not getattr(Backbone, method)

    def truncated(self, encoded: Any) -> bool:
        """Whether `encode` truncated the input."""
        return False

    def limit(self) -> str:
        """The length that inputs are truncated to, for messages."""
        return ""

    @property
    def linear_start(self) -> "LinearStart | None":
        """How it takes over a linear model of its inputs before it is trained; None if it does not."""
        return None

    def train_preprocessing(self) -> str | None:
        """A digest of the preprocessing for training where a user has written one."""
        return None

    def identity(self) -> tuple[str | None, str | None]:
        """Digests of the layers and of the source code of a user's module."""
        return None, None

    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def read(self, modality: Modality, role: Role) -> None:
        """Read the inputs of a dataset. Teachers, and parts of a student, of one modality read their part of inputs that have several.

        Args:
            modality: Modality of the inputs.
            role: ``"teacher"``, ``"student"``, or ``"part"`` of a student.

        Raises:
            ModelError: A teacher does not accept the modality.
            UsageError: A student does not accept the modality.
        """
        if modality in self.accepts:
            self.reads = None
            return
        parts = [position for position, part in enumerate(modality) if (part,) in self.accepts]
        if role != "student" and len(parts) == 1:
            self.reads = parts[0]
            return
        error = ModelError if role == "teacher" else UsageError
        raise error(
            f"a {role} must accept the dataset's modality; {self.spec} takes "
            f"{' or '.join(map(modality_name, self.accepts))}, and the dataset holds {modality_name(modality)} "
            f"inputs; choose another {role} or column"
        )


class LinearStart(ABC):
    """Takes over a linear model of the inputs of a backbone before it is trained."""

    @property
    @abstractmethod
    def linear_width(self) -> int:
        """Number V of the linear model's inputs."""

    @abstractmethod
    def linear_inputs(self, encoded: Sequence[Any]) -> Any:
        """What the linear model is fitted on, a sparse matrix ``(N, V)`` of scipy.

        Args:
            encoded: N encoded inputs.
        """

    @abstractmethod
    def start_from(self, weight: Tensor, head: Tensor) -> None:
        """Take over the linear model.

        Args:
            weight: Its weight, ``(C, V)``.
            head: The weight ``(C, d)`` of the head. It is changed, so that it computes the model's outputs from the features.
        """

    @staticmethod
    def factors(weight: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """The nearest product of two narrow matrices, by their singular value decomposition.

        Args:
            weight: ``(C, V)``.
            width: Largest number of columns of a factor.

        Returns:
            Factors ``(C, k)`` and ``(V, k)``, in float64. The columns of the first have length 1, and k is at most the rank.
        """
        left, scale, right = torch.linalg.svd(weight.double(), full_matrices=False)
        kept = min(width, int((scale > 1e-6 * scale[0]).sum()))
        return left[:, :kept], right[:kept].T * scale[:kept]


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over a module's parameters and buffers, in the order of their names.

    Args:
        module: Any module.

    Returns:
        64 hexadecimal digits; equal weights have equal digests, whatever file they were loaded from.
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
    """Load a state dict from a ``.safetensors`` file or, without unpickling objects, from a torch file.

    Args:
        module: The module to load the weights into.
        path: The file.

    Raises:
        ModelError: The file does not exist, or is not a state dict of this architecture.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"weights= is pretrained, random or a file; there is no file {str(path)!r}; check the path")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Mapping[str, Any] = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
        module.load_state_dict(state)
    except Exception as error:  # torch, pickle and safetensors raise many types of exceptions for damaged files
        reason = str(error).splitlines()[0][:200]
        raise ModelError(
            f"weights= must be a state dict of {type(module).__name__}; {str(path)!r} is not ({reason}); check the file"
        ) from error
