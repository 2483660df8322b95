"""Inference: the outputs of a student for many samples."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from aft.errors import OutOfMemoryError
from aft.models._memory import explain_out_of_memory
from aft.models._student import Student

#: The most tokens in a batch on a CPU, padding included: what larger ones compute does not stay in its caches.
TOKENS = 2048


class Outputs(NamedTuple):
    """Outputs of a student for N samples.

    Attributes:
        logits: ``(N, C)``.
        features: ``(N, d)``.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def forward_all(student: Student, encoded: Sequence[Any], *, batch_size: int = 256) -> Outputs:
    """Run a student in evaluation mode; samples of similar length share a batch.

    Args:
        student: The student, on the device to use. It returns to the mode that it was in.
        encoded: N inputs from its backbone's ``encode``.
        batch_size: Largest number of samples per forward pass, halved as often as needed to fit into memory. On a CPU, fewer long
            texts go together.

    Returns:
        Logits and features, in the order of the inputs.

    Raises:
        OutOfMemoryError: Not even a single sample fits into memory.
    """
    device = next(student.parameters()).device
    order, lengths = list(range(len(encoded))), [0] * len(encoded)
    if student.backbone.defines("length"):
        lengths = [student.backbone.length(item) for item in encoded]
        order.sort(key=lengths.__getitem__)
        lengths.sort()
    tokens = TOKENS if device.type == "cpu" else None
    logits: NDArray[np.float32] | None = None
    features: NDArray[np.float32] | None = None
    training = student.training
    student.eval()
    try:
        with torch.inference_mode():
            start = 0
            while start < len(order):
                places = order[start : _end(lengths, start, batch_size, tokens)]
                batch = student.backbone.collate([encoded[place] for place in places])
                try:
                    with explain_out_of_memory(len(places)):
                        output = student({key: value.to(device) for key, value in batch.items()})
                except OutOfMemoryError:
                    if len(places) == 1:
                        raise
                    batch_size = len(places) // 2
                    continue
                start += len(places)
                if logits is None or features is None:
                    logits = np.empty((len(order), output.logits.shape[1]), dtype=np.float32)
                    features = np.empty((len(order), output.features.shape[1]), dtype=np.float32)
                logits[places] = output.logits.float().cpu().numpy()
                features[places] = output.features.float().cpu().numpy()
    finally:
        student.train(training)
    if logits is None or features is None:
        return Outputs(np.empty((0, 0), dtype=np.float32), np.empty((0, 0), dtype=np.float32))
    return Outputs(logits, features)


def _end(lengths: Sequence[int], start: int, batch_size: int, tokens: int | None) -> int:
    """The end of a batch.

    Args:
        lengths: The lengths of all samples, rising.
        start: Where the batch begins.
        batch_size: The most samples in it.
        tokens: The most tokens in it, as each is padded to the longest; None for any number. A batch has at least one sample.
    """
    last = min(start + batch_size, len(lengths))
    if tokens is None:
        return last
    return next((end for end in range(start + 1, last) if (end + 1 - start) * lengths[end] > tokens), last)
