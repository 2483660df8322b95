"""The result of a comparison, from its finished trainings."""

import csv
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.comparison._baselines import measure_baselines
from aft.comparison._references import errors_of, majority_losses, probe_losses
from aft.comparison._study import Study
from aft.comparison._summary import conclude, summarise
from aft.core import __version__
from aft.evaluation import error_of, latency, throughput
from aft.models import forward_all
from aft.results import (
    ComparisonResult,
    Cost,
    Curve,
    Environment,
    Gates,
    Reference,
    Student,
    Task,
    Teacher,
)
from aft.runs import RunLayout, gate_weights, load
from aft.training import Problem


def make_result(study: Study, runs: Path, *, wall_seconds: float, threads: int, processes: int) -> ComparisonResult:
    """Make the result of a comparison.

    Args:
        study: The finished study.
        runs: The run directories of its final trainings.
        wall_seconds: How long the comparison took.
        threads: Threads of each training.
        processes: Number of trainings side by side.

    Returns:
        The content of ``comparison.json``.
    """
    problem, targets = study.problem, study.problem.targets
    root = targets.kind == "regression"
    probe, majority = probe_losses(problem, problem.stores), majority_losses(problem)
    probe_error = None if probe is None else error_of(probe[None], root=root)
    baselines = measure_baselines(problem)
    methods = []
    for method in study.methods:
        finals = [runs / f"{training.spec.method}-{training.spec.seed}" for training in study.finals[method]]
        extras = {"curve": tuple(_curve(run, seed) for seed, run in enumerate(finals)), "gates": _gates(finals[0])}
        methods.append(summarise(study, method, probe=probe_error).model_copy(update=extras))
    first = runs / "finetune-0"
    return ComparisonResult(
        aft=__version__,
        task=Task(
            kind=targets.kind, error_name="rmse" if root else "error", classes=targets.classes,
            samples=problem.counts.model_dump(), source=problem.dataset.source,
        ),
        student=Student(
            name=problem.students.name, parameters=problem.template.size(),
            bytes=RunLayout(first).weights.stat().st_size, **_speed(first, problem),
        ),
        teachers=tuple(_teachers(problem, probe)),
        seeds=tuple(range(study.seeds)),
        methods=tuple(methods),
        probe=Reference() if probe is None else Reference(**errors_of(problem, probe)),
        majority=Reference(**errors_of(problem, majority)),
        baselines=tuple(baselines),
        conclusions=conclude(methods, probe_error, targets, baselines),
        cost=Cost(seconds=_seconds(study), wall_seconds=round(wall_seconds, 1)),
        environment=Environment(
            python=platform.python_version(), torch=str(torch.__version__), platform=platform.platform(),
            threads=threads, processes=processes,
        ),
    )  # fmt: skip


def _teachers(problem: Problem, probe: NDArray[np.float64] | None) -> list[Teacher]:
    root = problem.targets.kind == "regression"
    teachers = []
    for store in problem.stores:
        alone = probe if len(problem.stores) == 1 else probe_losses(problem, [store])
        model = store.fingerprint.get("model")
        teachers.append(
            Teacher(
                name=store.name, dim=store.dim, model=None if model is None else str(model),
                probe_error=None if alone is None else error_of(alone[None], root=root),
            )
        )  # fmt: skip
    return teachers


def _speed(run: Path, problem: Problem) -> dict[str, float]:
    """How fast a trained student is; unknown for a module, which a run cannot restore by itself."""
    if problem.students.name.startswith("module:"):
        return {}
    student = load(run, student=problem.students.load_argument, device="cpu").student
    inputs = [problem.dataset.inputs[i] for i in range(min(256, len(problem.dataset)))]

    def predict(part: Sequence[Any]) -> object:
        return forward_all(student, student.backbone.encode(list(part)))

    return {"throughput": throughput(predict, inputs), "latency_ms": latency(predict, inputs[:16], repeats=3)}


def _curve(run: Path, seed: int) -> Curve:
    path = RunLayout(run).metrics
    if not path.exists():
        return Curve(seed=seed)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Curve(
        seed=seed, step=tuple(int(row["step"]) for row in rows), task_loss=tuple(float(row["task_loss"]) for row in rows),
        objective=tuple(float(row["objective"]) for row in rows if row["objective"]),
    )  # fmt: skip


def _gates(run: Path) -> dict[str, Gates]:
    weights = gate_weights(run) if RunLayout(run).config.exists() else None
    gates = {}
    for name, tensor in (weights or {}).items():
        values = tensor.numpy()
        strongest = tuple((int(place), float(values[place])) for place in np.argsort(-values)[:10])
        histogram = tuple(np.histogram(values, bins=20, range=(0, 1))[0].tolist())
        gates[name] = Gates(mean=float(values.mean()), histogram=histogram, strongest=strongest)
    return gates


def _seconds(study: Study) -> float:
    trials = [trial for method in study.found.trials.values() for trial in method]
    finals = {training.spec: training.seconds for method in study.finals.values() for training in method}
    return round(sum(trial.seconds for trial in trials) + sum(finals.values()), 1)
