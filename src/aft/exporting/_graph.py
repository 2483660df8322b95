"""A student as a graph of tensors, which other programs run."""

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from aft.errors import ModelError
from aft.models import Student
from aft.runtime import input_name

#: Samples that a graph is traced on.
TRACED = 4


class Graph(NamedTuple):
    """What is traced.

    Attributes:
        module: Takes the tensors in order and returns logits ``(B, C)``.
        example: The tensors that it is traced on, by the names that they have in the graph.
        dynamic: For each of them the axes that may have any length, as `torch.export` takes them.
    """

    module: nn.Module
    example: Mapping[str, Tensor]
    dynamic: tuple[dict[int, Any], ...]


class _Ordered(nn.Module):
    """A student whose inputs have an order instead of names."""

    def __init__(self, student: Student, names: Sequence[str]) -> None:
        super().__init__()
        self.student = student
        self._names = names

    def forward(self, *tensors: Tensor) -> Tensor:
        """Logits ``(B, C)``."""
        logits: Tensor = self.student(dict(zip(self._names, tensors, strict=True))).logits
        return logits


def trace(student: Student, encoded: Sequence[Any], write: Callable[[Graph], None]) -> None:
    """Trace a student, with a batch of any size and texts of any length.

    Args:
        student: The student, in evaluation mode, on the CPU.
        encoded: A few inputs from its backbone's ``encode``, of different lengths.
        write: Traces the graph and writes it.

    Raises:
        ModelError: The student computes something that cannot be traced.
    """
    batch = student.backbone.graph_batch(encoded)
    graph = Graph(
        _Ordered(student, list(batch)).eval(),
        graph_inputs(student, batch),
        tuple(
            dict.fromkeys(range(_dynamic_axes(name, tensor)), torch.export.Dim.DYNAMIC)
            for name, tensor in batch.items()
        ),
    )
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for attention in _attentions(student):
            try:
                write(graph)
                return
            except Exception as error:  # torch raises errors of many kinds about what it cannot trace
                if attention == "eager":
                    raise ModelError(
                        f"a student is exported as a graph by tracing it; this one cannot be traced ({type(error).__name__}); change the "
                        "module, or serve it with PyTorch"
                    ) from error


def graph_inputs(student: Student, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a batch, by the names that they have in a graph."""
    parts = len(student.backbone.encodings())
    return {_graph_name(name, parts): tensor for name, tensor in batch.items()}


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
