"""The small model that is trained and deployed."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aft.models._backbone import Backbone, Batch
from aft.models._capture import attach
from aft.models._module import ModuleBackbone


class StudentOutput(NamedTuple):
    """Output of a student for a batch.

    Attributes:
        logits: ``(B, C)``.
        features: ``(B, d)``, the input of the head.
    """

    logits: Tensor
    features: Tensor


class Student(nn.Module):
    """A backbone with a linear head.

    A module that has a classifier with C outputs keeps it instead of getting a new head.

    Args:
        backbone: The model without a head.
        outputs: Number C of outputs.

    Attributes:
        dim: Width d of the features.
    """

    def __init__(self, backbone: Backbone, outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        own = backbone.own_head(outputs) if isinstance(backbone, ModuleBackbone) else None
        self.head: nn.Linear | None = None
        self._captured = None
        self._own: str | None = None  # path of the backbone's own classifier
        if own is not None and isinstance(backbone, ModuleBackbone):
            classifier = backbone.module.get_submodule(own)
            assert isinstance(classifier, nn.Linear)
            self.dim = classifier.in_features
            self._own = f"module.{own}".rstrip(".")
            self._captured = attach(backbone, self._own, side="input")[0]
        else:
            self.dim = backbone.dim
            self.head = nn.Linear(backbone.dim, outputs)

    def forward(self, batch: Batch) -> StudentOutput:
        """Compute logits and features.

        Args:
            batch: B inputs from the backbone's ``collate``.

        Returns:
            Logits ``(B, C)`` and features ``(B, d)``.
        """
        if self.head is not None:
            features = self.backbone(batch)
            return StudentOutput(self.head(features), features)
        assert isinstance(self.backbone, ModuleBackbone)
        assert self._captured is not None
        logits = self.backbone.run(batch)
        return StudentOutput(logits, self._captured.features)

    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        """Take over a linear model on the `linear_inputs` of the backbone, which has a `linear_start`.

        Args:
            weight: ``(C, V)``.
            bias: ``(C,)``.
        """
        assert self.head is not None
        assert self.backbone.linear_start is not None
        with torch.no_grad():
            self.backbone.linear_start.start_from(weight, self.head.weight)
            self.head.bias.copy_(bias)

    def feature_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that compute the features: all but those of the classifier."""
        named = self.backbone.named_parameters()
        return (parameter for name, parameter in named if not self._own or not name.startswith(f"{self._own}."))

    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
