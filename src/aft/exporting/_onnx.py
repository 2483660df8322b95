"""A student as an ONNX graph."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import MissingExtraError, ModelError
from aft.models import Student
from aft.runtime import input_name


class _Graph(nn.Module):
    """A student whose inputs have an order instead of names."""

    def __init__(self, student: Student, names: Sequence[str]) -> None:
        super().__init__()
        self.student = student
        self._names = names

    def forward(self, *tensors: Tensor) -> Tensor:
        """Logits ``(B, C)``."""
        logits: Tensor = self.student(dict(zip(self._names, tensors, strict=True))).logits
        return logits


def write_onnx(student: Student, encoded: Sequence[Any], path: Path) -> None:
    """Write a student as an ONNX graph, with a batch of any size and texts of any length.

    Args:
        student: The student, in evaluation mode, on the CPU.
        encoded: A few inputs from its backbone's ``encode``, of different lengths.
        path: The file.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        ModelError: The student computes something that ONNX cannot express.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "ONNX files are written by onnx and onnxscript, which are not installed; run pip install 'adaptive-feature-transfer[export]'"
        ) from error
    batch = student.backbone.graph_batch(encoded)
    parts = len(student.backbone.encodings())
    names = [_graph_name(name, parts) for name in batch]
    axes = {
        name: dict.fromkeys(range(_dynamic_axes(name, tensor)), torch.export.Dim.DYNAMIC)
        for name, tensor in batch.items()
    }
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for attention in _attentions(student):
            try:
                program: Any = torch.onnx.export(
                    _Graph(student, list(batch)), tuple(batch.values()), dynamo=True, dynamic_shapes=(tuple(axes.values()),),
                    input_names=names, output_names=["logits"], verbose=False,
                )  # fmt: skip
                program.save(str(path), external_data=False)
                return
            except Exception as error:  # torch raises errors of many kinds about what it cannot trace
                if attention == "eager":
                    raise ModelError(
                        f"a student is exported as ONNX by tracing it; this one cannot be traced ({type(error).__name__}); change the "
                        "module, or serve it with PyTorch"
                    ) from error


def _attentions(student: Student) -> Iterator[str]:
    """Ways to compute attention: torch's own, and step by step, which can be traced in more models."""
    models: list[Any] = [module for module in student.modules() if hasattr(module, "set_attn_implementation")]
    before = [model.config._attn_implementation for model in models]
    if models:
        yield "own"
    try:
        for model in models:
            model.set_attn_implementation("eager")
        yield "eager"
    finally:
        for model, attention in zip(models, before, strict=True):
            model.set_attn_implementation(attention)


def _dynamic_axes(name: str, tensor: Tensor) -> int:
    """How many of the first axes may have any length: the batch and, for texts, their length."""
    return 2 if tensor.ndim == 2 and name.rpartition(".")[2] != "input" else 1


def _graph_name(name: str, parts: int) -> str:
    number, dot, own = name.rpartition(".")
    return input_name(own, int(number) if dot else 0, parts)
