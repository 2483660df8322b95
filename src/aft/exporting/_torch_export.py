"""A student as a program of ``torch.export``, which PyTorch runs without the code of the student."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.exporting._formats import Format, Written
from aft.exporting._graph import TRACED, Graph, graph_inputs, trace
from aft.exporting._samples import Samples, batches
from aft.runs import Model

FILE = "model.pt2"


def write_torch_export(model: Model, folder: Path, samples: Samples) -> dict[str, Written]:
    """Write a student as an exported program, with a batch of any size and texts of any length.

    Args:
        model: The trained student.
        folder: Where to write.
        samples: Samples of the task.

    Returns:
        The program.

    Raises:
        ModelError: The student computes something that cannot be traced.
    """
    student, backbone = model.student, model.student.backbone

    def write(graph: Graph) -> None:
        inputs = tuple(graph.example.values())
        torch.export.save(
            torch.export.export(graph.module, inputs, dynamic_shapes=(graph.dynamic,)), folder / FILE
        )  # fmt: skip

    backbone.save_encodings(folder)
    trace(student, backbone.encode(samples.spread(TRACED)), write)
    opened: Any = cache(lambda: torch.export.load(folder / FILE).module())

    def outputs(inputs: Sequence[Any]) -> NDArray[np.float32]:
        encoded = (graph_inputs(student, backbone.graph_batch(backbone.encode(part))) for part in batches(inputs))
        with torch.inference_mode():
            return np.concatenate([opened()(*tensors.values()).numpy() for tensors in encoded])

    return {FILE: Written(FILE, outputs)}


USAGE = """
import torch

program = torch.export.load("{folder}/model.pt2").module()
logits = program(*tensors)  # (B, C), from input_ids and attention_mask (B, T), or rows and values (B, n) of n-grams
"""
IMAGES = """
import torch

program = torch.export.load("{folder}/model.pt2").module()
logits = program(pixels)  # (B, C), from (B, 3, H, W), resized and normalised as export.json says
"""
TORCH_EXPORT = Format(
    write_torch_export, describes_inputs=True, library="pytorch", usage={"any": USAGE, "image": IMAGES}
)
