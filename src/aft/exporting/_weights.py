"""A student's weights by the names that its own module gives them."""

from pathlib import Path

import torch
from torch import Tensor, nn

from aft.data import Targets
from aft.models import Student


def own_names(student: Student) -> dict[str, str]:
    """The names of a student's weights, without its head, in the network that it wraps: those that ``load_state_dict`` of it takes.

    Args:
        student: The student. A classifier of the network's own belongs to the network.

    Returns:
        By their names in the backbone. Tensors outside of the network, such as the rows of a smaller vocabulary, keep those.
    """
    backbone = student.backbone
    path = next(name for name, module in backbone.named_modules() if module is backbone.network)
    return {name: name.removeprefix(f"{path}." if path else "") for name in backbone.state_dict()}


def label_head(student: Student, targets: Targets) -> tuple[Tensor, Tensor]:
    """Weight ``(C, d)`` and bias ``(C,)`` of a student's head. Outputs of a regression are in the unit of the label."""
    assert student.head is not None
    weight, bias = student.head.weight.detach(), student.head.bias.detach()
    if targets.kind == "regression":
        return weight * targets.scale, bias * targets.scale + targets.mean
    return weight.clone(), bias.clone()


def as_logits(outputs: Tensor, targets: Targets) -> Tensor:
    """What `label_head` gives, on the scale of the student's outputs."""
    return (outputs - targets.mean) / targets.scale if targets.kind == "regression" else outputs


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as a safetensors file. Shared memory, as of tied weights, is written for each name."""
    from safetensors.torch import save_file

    path.parent.mkdir(exist_ok=True)
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, path)


def erase(module: nn.Module) -> None:
    """Overwrite all weights, so that a check cannot succeed with weights that were not read."""
    with torch.no_grad():
        for value in module.state_dict().values():
            value.zero_()
