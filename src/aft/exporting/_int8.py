"""An exported model with weights of 8 bits."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aft.runtime import FILES, ExportedModel


def write_int8(folder: Path, exported: ExportedModel, inputs: Sequence[Any]) -> None:
    """Write the graph of an exported model with weights of 8 bits, beside the one in float32.

    Matrix products of text models quantise their inputs as they come. Convolutions have fixed ranges instead, which are measured on
    some samples.

    Args:
        folder: The exported model's folder.
        exported: The model.
        inputs: Samples of the task to measure ranges on.
    """
    from onnxruntime import quantization as q

    source, target = str(folder / FILES["fp32"]), str(folder / FILES["int8"])
    if not any(encoding.kind == "image" for encoding in exported.description.encodings):
        with _quiet():
            q.quantize_dynamic(source, target, weight_type=q.QuantType.QInt8)
        return
    batches = exported.batches(inputs)

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Any:
            return next(batches, None)

    with _quiet():
        q.quantize_static(source, target, Reader(), weight_type=q.QuantType.QInt8, per_channel=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's hints on preprocessing, which it logs as if they were the program's own."""
    log = logging.getLogger()
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
