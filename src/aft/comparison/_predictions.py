"""The predictions of a training on the test split, packed into its row of the journal."""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Targets


def predictions_of(targets: Targets, logits: NDArray[Any]) -> NDArray[Any]:
    """What logits predict.

    Args:
        targets: The task.
        logits: ``(N, C)``.

    Returns:
        Class indices ``(N,)``, 0 or 1 for each label ``(N, C)``, or standardised values ``(N,)``.
    """
    if targets.kind == "classification":
        classes: NDArray[Any] = logits.argmax(axis=1).astype("<u1" if targets.outputs < 256 else "<u4")
        return classes
    return (logits > 0).astype("<u1") if targets.kind == "multilabel" else logits[:, 0].astype("<f4")


def pack_predictions(targets: Targets, logits: NDArray[Any]) -> dict[str, Any]:
    """The predictions of logits ``(N, C)`` as JSON values, compressed."""
    predictions = predictions_of(targets, logits)
    data = base64.b64encode(zlib.compress(np.ascontiguousarray(predictions).tobytes(), 9)).decode("ascii")
    return {"dtype": predictions.dtype.str, "shape": list(predictions.shape), "data": data}


def unpack_predictions(packed: dict[str, Any]) -> NDArray[Any]:
    """The predictions that `pack_predictions` packed, as `predictions_of` returns them."""
    raw = zlib.decompress(base64.b64decode(packed["data"]))
    return np.frombuffer(raw, dtype=packed["dtype"]).reshape(packed["shape"])


def sample_losses(targets: Targets, predictions: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """The loss of each prediction.

    Args:
        targets: The task.
        predictions: From `predictions_of` or `unpack_predictions`.
        labels: Encoded labels of the same samples.

    Returns:
        ``(N,)``: 0 or 1 for classification, the fraction of wrong labels for multi-label tasks, the squared error in the unit of the
        label for regression.
    """
    wrong: NDArray[np.float64]
    if targets.kind == "classification":
        wrong = (predictions != labels).astype(np.float64)
    elif targets.kind == "multilabel":
        wrong = (predictions != (labels > 0.5)).mean(axis=1).astype(np.float64)
    else:
        wrong = ((predictions.astype(np.float64) - labels) * targets.scale) ** 2
    return wrong
