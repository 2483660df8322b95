"""What a training answered on the test part, small enough to keep with its row."""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Targets


def answers_of(targets: Targets, logits: NDArray[Any]) -> NDArray[Any]:
    """What outputs say.

    Args:
        targets: The task.
        logits: ``(N, C)``.

    Returns:
        Classes ``(N,)``, bits of labels ``(N, C)``, or values ``(N,)`` in standardised units.
    """
    if targets.kind == "classification":
        classes: NDArray[Any] = logits.argmax(axis=1).astype("<u1" if targets.outputs < 256 else "<u4")
        return classes
    return (logits > 0).astype("<u1") if targets.kind == "multilabel" else logits[:, 0].astype("<f4")


def encode(targets: Targets, logits: NDArray[Any]) -> dict[str, Any]:
    """The answers of outputs ``(N, C)`` as text, compressed; `decode` gives them back."""
    answers = answers_of(targets, logits)
    data = base64.b64encode(zlib.compress(np.ascontiguousarray(answers).tobytes(), 9)).decode("ascii")
    return {"dtype": answers.dtype.str, "shape": list(answers.shape), "data": data}


def decode(packed: dict[str, Any]) -> NDArray[Any]:
    """The answers that `encode` was given, as `answers_of` says."""
    raw = zlib.decompress(base64.b64decode(packed["data"]))
    return np.frombuffer(raw, dtype=packed["dtype"]).reshape(packed["shape"])


def losses(targets: Targets, answers: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Loss of each answer.

    Args:
        targets: The task.
        answers: From `answers_of` or `decode`.
        labels: Encoded labels of the same samples.

    Returns:
        ``(N,)``: 0 or 1 for classes, the share of wrong labels for multilabel, the squared error in the label's own units.
    """
    wrong: NDArray[np.float64]
    if targets.kind == "classification":
        wrong = (answers != labels).astype(np.float64)
    elif targets.kind == "multilabel":
        wrong = (answers != (labels > 0.5)).mean(axis=1).astype(np.float64)
    else:
        wrong = ((answers.astype(np.float64) - labels) * targets.scale) ** 2
    return wrong
