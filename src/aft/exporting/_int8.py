"""An exported model with weights of 8 bits."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aft.runtime import FILES, ExportedModel

#: Samples that the ranges of an image model's activations are measured on.
CALIBRATED = 128


def write_int8(folder: Path, exported: ExportedModel, inputs: Sequence[Any]) -> None:
    """Write the graph of an exported model with weights of 8 bits, beside the one in float32.

    Matrix products of text models quantise their inputs as they come. Convolutions have fixed ranges instead, which are measured on
    some samples.

    Args:
        folder: The exported model's folder.
        exported: The model.
        inputs: Samples of the task.
    """
    from onnxruntime import quantization as q

    logging.getLogger("root").setLevel(logging.ERROR)  # its hints on preprocessing
    source, target = str(folder / FILES["fp32"]), str(folder / FILES["int8"])
    if not any(encoding.kind == "image" for encoding in exported.description.encodings):
        q.quantize_dynamic(source, target, weight_type=q.QuantType.QInt8)
        return
    places = np.unique(np.linspace(0, len(inputs) - 1, min(CALIBRATED, len(inputs))).astype(int)).tolist()
    batches = exported.batches([inputs[place] for place in places])

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Any:
            return next(batches, None)

    q.quantize_static(source, target, Reader(), weight_type=q.QuantType.QInt8, per_channel=True)
