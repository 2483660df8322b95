"""Running a student over many samples."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from aft.errors import OutOfMemoryError, UsageError
from aft.models._memory import explain_out_of_memory
from aft.models._student import Student
from aft.core import local_rank, world_size


def choose_device(device: str) -> torch.device:
    """The device that a name means.

    Args:
        device: ``"auto"`` takes an accelerator where there is one; else a name of torch's. Of several accelerators, each rank of
            a launcher takes its own.

    Returns:
        The device.

    Raises:
        UsageError: No such device here.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"a device is auto, cpu, cuda or mps, and must be there; received {device!r}; use --device auto"
        ) from error
    if chosen.type == "cuda" and chosen.index is None and world_size() > 1:
        chosen = torch.device("cuda", local_rank())
    return chosen


class Outputs(NamedTuple):
    """What a student gives for many samples.

    Attributes:
        logits: ``(N, C)``.
        features: ``(N, d)``.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def forward_all(student: Student, encoded: Sequence[Any], *, batch_size: int = 256) -> Outputs:
    """Run a student in evaluation mode; samples of like length share a batch.

    Args:
        student: The student, on the device to use; left in the mode it was in.
        encoded: From its backbone's ``encode``.
        batch_size: Samples a forward pass; fewer where memory is too small for them.

    Returns:
        Logits and features, in the order given.

    Raises:
        OutOfMemoryError: A single sample does not fit.
    """
    device = next(student.parameters()).device
    order = sorted(range(len(encoded)), key=lambda place: student.backbone.length(encoded[place]))
    logits: NDArray[np.float32] | None = None
    features: NDArray[np.float32] | None = None
    training = student.training
    student.eval()
    try:
        with torch.inference_mode():
            start = 0
            while start < len(order):
                places = order[start : start + batch_size]
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
