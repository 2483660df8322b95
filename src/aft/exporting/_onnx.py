"""A student as an ONNX graph."""

from functools import cache
from pathlib import Path
from typing import Any

import torch

from aft.errors import MissingExtraError
from aft.exporting._formats import Format, Written
from aft.exporting._graph import TRACED, Graph, trace
from aft.exporting._samples import Samples
from aft.runs import Model
from aft.runtime import FILES, ExportedModel


def write_onnx(model: Model, folder: Path, samples: Samples) -> dict[str, Written]:
    """Write a student as an ONNX graph, with a batch of any size and texts of any length.

    Args:
        model: The trained student.
        folder: Where to write; its ``export.json`` says how inputs are read.
        samples: Samples of the task.

    Returns:
        The graph, run by onnxruntime.

    Raises:
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        ModelError: The student computes something that ONNX cannot express.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"ONNX files are written by onnx, onnxscript and onnxruntime; {error.name} is not installed; run pip install "
            "'adaptive-feature-transfer[export]'"
        ) from error

    def write(graph: Graph) -> None:
        program: Any = torch.onnx.export(
            graph.module, tuple(graph.example.values()), dynamo=True, dynamic_shapes=(graph.dynamic,),
            input_names=list(graph.example), output_names=["logits"], verbose=False,
        )  # fmt: skip
        program.save(str(folder / FILES["fp32"]), external_data=False)

    backbone = model.student.backbone
    backbone.save_encodings(folder)
    trace(model.student, backbone.encode(samples.spread(TRACED)), write)
    opened = cache(lambda: ExportedModel(folder, threads=1))
    return {FILES["fp32"]: Written(FILES["fp32"], lambda inputs: opened().logits(inputs))}


def write_onnx_with_int8(model: Model, folder: Path, samples: Samples) -> dict[str, Written]:
    """The same, with a second graph whose weights have 8 bits."""
    from aft.exporting._int8 import write_int8

    ways = write_onnx(model, folder, samples)
    write_int8(folder, ExportedModel(folder), samples.calibration())
    opened = cache(lambda: ExportedModel(folder, precision="int8", threads=1))
    return {**ways, FILES["int8"]: Written(FILES["int8"], lambda inputs: opened().logits(inputs))}


USAGE = """
import aft

model = aft.ExportedModel("{folder}")  # pip install 'adaptive-feature-transfer[runtime]'
print(model.predict(inputs))
"""
ONNX = Format(write_onnx, describes_inputs=True, library="onnx", usage={"any": USAGE})
ONNX_INT8 = Format(write_onnx_with_int8, describes_inputs=True, library="onnx", usage={"any": USAGE})
