"""The loss of the task itself."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from aft.data import Targets
from aft.errors import UsageError, name_some

#: How fast the label of an ordinal task fades from class to class. Of 1, 1.5 and 2.5, the best on ratings of movies (benchmarks/ordinal.py).
FADING = 1.5


def soft_ranks(classes: int) -> Tensor:
    """What a student learns of each class of an ordinal task: its neighbours are nearly as good as it.

    Args:
        classes: Number of classes C, which have an order.

    Returns:
        Probabilities ``(C, C)``: row k is proportional to ``exp(-1.5 |j - k|)`` (Diaz and Marathe 2019).
    """
    ranks = torch.arange(classes, dtype=torch.float32)
    return torch.softmax(-FADING * (ranks[:, None] - ranks).abs(), dim=1)


class TaskLoss(nn.Module):
    """The mean loss over the labelled samples of a batch; 0 for a batch without any.

    Args:
        targets: The task.
        class_weights: A weight for each class, ``(C,)``, or None.
        label_smoothing: Fraction of each label that is spread over all classes.
    """

    weights: Tensor | None
    near: Tensor | None

    def __init__(self, targets: Targets, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.targets = targets
        self.label_smoothing = label_smoothing
        self.register_buffer("weights", class_weights)
        self.register_buffer("near", soft_ranks(targets.outputs) if targets.ordered else None, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, labelled: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: ``(B, C)``.
            labels: Encoded labels, ``(B,)`` or ``(B, C)``.
            labelled: Which samples have a label, ``(B,)``.

        Returns:
            A scalar, float32.
        """
        logits = logits.float()
        if self.targets.kind == "classification":
            truth = labels if self.near is None else self.near[labels]
            each = F.cross_entropy(
                logits, truth, weight=self.weights, reduction="none", label_smoothing=self.label_smoothing
            )
        elif self.targets.kind == "multilabel":
            smooth = labels * (1 - self.label_smoothing) + self.label_smoothing / 2
            each = F.binary_cross_entropy_with_logits(logits, smooth, pos_weight=self.weights, reduction="none").mean(1)
        else:
            each = (logits[:, 0] - labels).square()
        # Indexing with a mask would wait for the device, and a product would keep the NaN of samples without a label.
        return torch.where(labelled, each, torch.zeros_like(each)).sum() / labelled.sum().clamp(min=1)


def class_weights(
    chosen: Literal["balanced"] | Mapping[str, float] | None, targets: Targets, labels: NDArray[np.generic]
) -> Tensor | None:
    """Weights of the classes.

    Args:
        chosen: ``"balanced"``, a weight for each class by name, or None.
        targets: The task.
        labels: Encoded labels of the labelled training samples.

    Returns:
        ``(C,)``, or None. Balanced weights have mean 1 over the samples; for multi-label tasks they are those of positive labels.

    Raises:
        UsageError: Weights for regression, unknown or missing classes, or weights that are not positive.
    """
    if chosen is None:
        return None
    if targets.kind == "regression":
        raise UsageError(
            "class weights are for classification; received them for a regression task; leave class_weights= out"
        )
    if chosen == "balanced":
        if targets.kind == "multilabel":
            positive = np.asarray(labels, dtype=np.float64).mean(axis=0).clip(1e-3, 1 - 1e-3)
            return torch.tensor((1 - positive) / positive, dtype=torch.float32)
        counts = Counter(np.asarray(labels).tolist())
        frequency = np.array([counts[i] for i in range(targets.outputs)], dtype=np.float64)
        return torch.tensor(len(labels) / (len(frequency) * frequency.clip(1)), dtype=torch.float32)
    if set(chosen) != set(targets.classes) or min(chosen.values()) <= 0:
        raise UsageError(
            f"class weights give every class a positive number; received {dict(chosen)}; the classes are {name_some(targets.classes, 20)}"
        )
    return torch.tensor([chosen[name] for name in targets.classes], dtype=torch.float32)
