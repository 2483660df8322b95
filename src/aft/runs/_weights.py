"""Tensors of a run as safetensors files."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from aft.core import file_sha256, write_atomic
from aft.errors import RunError
from aft.runs._layout import RunLayout
from aft.runs._schema import RunConfig, RunResult


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors atomically.

    Args:
        path: A ``.safetensors`` file.
        tensors: Tensors by name. Tensors that share memory are written once each.

    Returns:
        SHA-256 of the file.
    """
    from safetensors.torch import save

    # safetensors' own writer makes files that only their owner can read, and has no error of the operating system.
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return write_atomic(path, [save(copies)])[1]


def load_weights(layout: RunLayout) -> dict[str, Tensor]:
    """Read the weights of a finished run.

    Raises:
        RunError: There is no finished run, or its weights file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    expected = RunResult.read(layout.result).weights_sha256
    damaged = f"{str(layout.weights)!r} is not what was written to it; restore it from a copy or train again"
    try:
        if file_sha256(layout.weights) != expected:
            raise RunError(damaged)
        weights: dict[str, Tensor] = load_file(layout.weights)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{damaged} ({str(error).splitlines()[0][:120]})") from error
    return weights


def gate_weights(directory: str | Path) -> dict[str, Tensor] | None:
    """The learned gates of a run.

    Args:
        directory: The run directory.

    Returns:
        For each teacher by name ``(D_m,)`` numbers in (0, 1); None for a method without gates.

    Raises:
        RunError: The file of the gates is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    layout = RunLayout(Path(directory))
    teachers = RunConfig.read(layout.config).teachers
    if not layout.objective.exists():
        return None
    try:
        state = load_file(layout.objective)
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"{str(layout.objective)!r} is not what was written to it; restore it from a copy or train again"
        ) from error
    gates = next((value for name, value in state.items() if name.rpartition(".")[2] == "gate_logits"), None)
    if gates is None:
        return None
    parts = torch.sigmoid(gates).split([teacher.dim for teacher in teachers])
    return {teacher.name: part for teacher, part in zip(teachers, parts, strict=True)}
