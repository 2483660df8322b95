"""The run folder: what a training leaves behind."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from aft.data import Targets
from aft.errors import RunError
from aft.models import Student, restore_backbone

FORMAT = 1


@dataclass(frozen=True)
class RunLayout:
    """Where the files of a run lie."""

    folder: Path

    @property
    def config(self) -> Path:
        """What was asked, of which data; written first."""
        return self.folder / "config.json"

    @property
    def weights(self) -> Path:
        """The student's weights."""
        return self.folder / "model.safetensors"

    @property
    def objective(self) -> Path:
        """The objective's parameters, gates among them."""
        return self.folder / "objective.safetensors"

    @property
    def assets(self) -> Path:
        """Tokenizer and architecture."""
        return self.folder / "student"

    @property
    def splits(self) -> Path:
        """Which sample was in which part."""
        return self.folder / "splits.csv"

    @property
    def journal(self) -> Path:
        """Trials of the search for a strength."""
        return self.folder / "trials.jsonl"

    @property
    def result(self) -> Path:
        """How it went; written last."""
        return self.folder / "result.json"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.folder / "README.md"


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        path: The run folder.
        method: Name of the objective, or ``finetune``.
        beta: Weighting that was used.
        strength: Its form.
        steps: Optimiser steps.
        error: Error on the test part; None without one.
        metrics: All test metrics.
        parameters: Parameters of the student.
        seconds: Time of the final training; the search's is in ``result["selection"]``.
        result: Everything in ``result.json``.
    """

    path: Path
    method: str
    beta: float
    strength: str
    steps: int
    error: float | None
    metrics: dict[str, float]
    parameters: int
    seconds: float
    result: dict[str, Any] = field(repr=False, default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Read a finished run.

        Raises:
            RunError: There is none.
        """
        result = read_json(RunLayout(Path(folder)).result, "a finished run")
        test = result.get("test") or {}
        return cls(
            path=Path(folder), method=result["method"], beta=result["beta"], strength=result["strength"], steps=result["steps"],
            error=test.get("error"), metrics=test.get("values", {}), parameters=result["parameters"],
            seconds=result["seconds"], result=result,
        )  # fmt: skip


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        RunError: It is missing, damaged, or of a newer format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        started = RunLayout(path.parent).config.exists()
        hint = "its training was interrupted: run the same aft train again" if started else "make one with aft train"
        raise RunError(f"{what} holds {path.name}; there is none in {str(path.parent)!r}; {hint}") from error
    except (OSError, ValueError) as error:
        raise RunError(
            f"{str(path)!r} is not what was written to it ({error}); restore it from a copy or train again"
        ) from error
    if not isinstance(content, dict) or content.get("format", 0) > FORMAT:
        raise RunError(f"this aft reads runs of format {FORMAT}; {str(path)!r} is another; upgrade aft")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file whole."""
    temporary = path.with_name(f".writing-{path.name}")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def save_student(layout: RunLayout, student: Student) -> str:
    """Write a student's weights; returns their SHA-256."""
    return save_tensors(layout.weights, student.state_dict())


def save_tensors(path: Path, tensors: dict[str, Any]) -> str:
    """Write tensors whole.

    Args:
        path: A ``.safetensors`` file.
        tensors: By name; those that share memory are written once each.

    Returns:
        SHA-256 of the file.
    """
    from safetensors.torch import save_file

    temporary = path.with_name(f".writing-{path.name}")
    save_file({name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}, temporary)
    temporary.replace(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_student(
    folder: str | Path, module: Any = None, preprocess: Any = None
) -> tuple[Student, Targets, dict[str, Any]]:
    """Make a run's student again, with its weights.

    Args:
        folder: The run folder.
        module: The module, for a run that trained one handed in; or the ``python:`` name of what makes it.
        preprocess: Its preprocessing.

    Returns:
        The student in evaluation mode, what its outputs mean, and the run's config.

    Raises:
        RunError: There is no finished run, or a file of it is not what was written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    layout = RunLayout(Path(folder))
    config = read_json(layout.config, "a run")
    result = read_json(layout.result, "a finished run")
    targets = Targets(**{**config["targets"], "classes": tuple(config["targets"]["classes"])})
    backbone = restore_backbone(config["backbone"], layout.assets, module, preprocess)
    student = Student(backbone, targets.outputs)
    broken = f"{str(layout.weights)!r} is not what was written to it; restore it from a copy or train again"
    try:
        with layout.weights.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != result["weights_sha256"]:
                raise RunError(broken)
        student.load_state_dict(load_file(layout.weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RunError(f"{broken} ({str(error).splitlines()[0][:120]})") from error
    return student.eval(), targets, config


def gate_weights(folder: str | Path) -> dict[str, torch.Tensor] | None:
    """A run's gates by teacher, ``(D_m,)`` each; None where it has none."""
    from safetensors.torch import load_file

    layout = RunLayout(Path(folder))
    teachers = read_json(layout.config, "a run")["teachers"]
    if not layout.objective.exists():
        return None
    state = load_file(layout.objective)
    gates = next((value for name, value in state.items() if name.rpartition(".")[2] == "gate_logits"), None)
    if gates is None:
        return None
    widths = [teacher["dim"] for teacher in teachers]
    parts = torch.sigmoid(gates).split(widths)
    return {teacher["name"]: part for teacher, part in zip(teachers, parts, strict=True)}
