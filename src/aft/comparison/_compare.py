"""``aft.compare``: every method, fairly, from one call."""

import csv
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import aft
from aft.comparison._problem_spec import Cell
from aft.comparison._journal import Journal
from aft.comparison._references import majority_losses, probe_losses
from aft.comparison._scheduler import Scheduler
from aft.comparison._study import Study
from aft.comparison._summary import in_words, summarise
from aft.data import Dataset
from aft.errors import DataError, RunError, UsageError
from aft.evaluation import draw, error_of, latency, throughput
from aft.features import FeatureStore
from aft.models import forward_all
from aft.objectives import DEFAULT_METHOD, METHODS, check_options, objectives_of
from aft.core import world_size
from aft.training import (
    RunLayout,
    TrainConfig,
    Training,
    differences,
    gate_weights,
    load_student,
    open_stores,
    read_json,
    write_json,
)

log = logging.getLogger("aft")

FORMAT = 1
#: Settings that a comparison chooses for itself, or that its seeds are.
_OWN = ("method", "seed", "options")
#: Settings that it searches, unless the user fixes them.
_CHOSEN = ("lr", "steps", "weight_decay", "beta", "strength")


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        path: Its folder.
        rows: A dictionary a method, in the order asked: ``method``, ``mean``, ``spread``, ``normalised``, ``difference``, ...; see
            docs/comparison.md.
        words: What the rows mean.
        content: Everything in ``comparison.json``.
    """

    path: Path
    rows: list[dict[str, Any]]
    words: list[str]
    content: dict[str, Any] = field(repr=False, default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> "Comparison":
        """Read a finished comparison.

        Raises:
            RunError: There is none.
        """
        path = Path(folder) / "comparison.json"
        if not path.exists():
            raise RunError(
                f"a finished comparison holds comparison.json; there is none in {str(folder)!r}; run aft compare, or the same one again"
            )
        content = read_json(path, "a finished comparison")
        return cls(Path(folder), content["rows"], content["words"], content)

    def __str__(self) -> str:
        regression = self.content["task"]["kind"] == "regression"

        def shown(value: float | None) -> str:
            return "-" if value is None else f"{value:.3f}" if regression else f"{100 * value:.1f} %"

        lines = [
            f"{'':16} {'error':>15} {'of fine-tuning':>15} {'gap closed':>11} {'against fine-tuning':>28}   strength"
        ]
        for name in ("majority", "probe"):
            reference = self.content[name]
            if reference is not None:
                lines.append(f"{name:16} {shown(reference['error']):>15}")
        for row in self.rows:
            spread = f" ± {row['spread'] * (1 if regression else 100):.{3 if regression else 1}f}"
            found, gap = row["difference"], row["gap_closed"]
            scale, digits = (1, 3) if regression else (100, 1)
            against = "" if found is None else (
                f"{scale * found['mean']:+.{digits}f} ({scale * found['low']:+.{digits}f} to {scale * found['high']:+.{digits}f})"
                + (" noise" if found["noise"] else "      ")
            )  # fmt: skip
            against = "the same" if row["same_as_finetune"] else against
            strength = "-" if not row["beta"] else f"{row['form']} {row['beta']:g}"
            lines.append(
                f"{row['method']:16} {shown(row['mean']) + spread:>15} {row['normalised']:>15.3f} "
                f"{'-' if gap is None else f'{100 * gap:.0f} %':>11} {against:>28}   {strength}"
            )
        return "\n".join(lines)


def compare(
    dataset: Dataset,
    student: str | nn.Module,
    features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path,
    *,
    methods: Sequence[str] = (*METHODS, DEFAULT_METHOD),
    seeds: int = 5,
    out: str | Path,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    processes: int | None = None,
    threads: int = 1,
    progress: bool = True,
    **settings: Any,
) -> Comparison:
    """Compare methods on one task: the same split, initial weights, order of batches and budget for all.

    Fine-tuning chooses learning rate, steps and weight decay, every other method its strength and its form at fine-tuning's
    choice, each with the same number of trainings, on validation data and with a seed of its own; then each is trained on all
    training data with every seed and measured on the test part. Every finished training is kept: interrupted, the comparison goes
    on where it stopped when it is called again, and more methods or seeds can be added later.

    Args:
        dataset: The samples, with a test part, or enough of them to cut one.
        student: Name of the student, or a module.
        features: Feature stores of the teachers, or their folders.
        methods: Names, several joined by ``+`` for their sum; fine-tuning is always compared.
        seeds: Trainings a method.
        out: Folder of the comparison; the runs of all methods and seeds are kept in ``out/runs``.
        options: Options of objectives, by method.
        preprocess: For a module.
        processes: Trainings side by side; by default one a core, or one on an accelerator.
        threads: Threads of each.
        progress: Show progress on the standard error stream.
        **settings: Fields of `aft.training.TrainConfig` that hold for all; ``lr``, ``steps``, ``weight_decay``, ``beta`` and
            ``strength`` are then not searched.

    Returns:
        The table, which ``print`` shows; ``aft.report(out)`` makes a page of it.

    Raises:
        UsageError: Settings that do not fit.
        DataError: A dataset without labelled test samples.
        RunError: ``out`` holds a comparison of other data, another student or other teachers.

    Example:
        >>> table = aft.compare(dataset, "aft:static", ["features/mpnet"], methods=["aft", "kd"], seeds=5, out="runs/c")
        >>> print(table)
    """
    if world_size() > 1:
        raise UsageError(
            f"a comparison spreads its trainings over the cores by itself; torchrun started {world_size()} processes of it; start it alone"
        )
    folder, start = Path(out), time.monotonic()
    stores = open_stores(features)
    methods = _check(methods, seeds, settings)
    for method, own in (options or {}).items():
        check_options(method, own)
    checked = TrainConfig.of(student="", **settings).model_dump()
    fixed = {name: checked[name] for name in _CHOSEN if checked[name] not in (None, "auto")}
    settings = {name: value for name, value in settings.items() if name not in _CHOSEN}
    cell = Cell("comparison", dataset, student, tuple(str(s.path.absolute()) for s in stores), settings, preprocess)
    training = cell.training()
    if not len(training.parts.test):
        raise DataError(
            "a comparison needs labelled test samples; the dataset has none; mark some as test in the split column, or pass test_fraction"
        )
    _claim(folder, training)
    budget = fixed.get("steps") or 2 * training.usual_steps
    study = Study(
        cell, methods, seeds, budget, fixed.get("lr") or training.lr, fixed.get("weight_decay", training.weight_decay),
        options or {}, fixed,
    )  # fmt: skip
    if processes is None and training.device.type != "cpu":
        processes = 1
    scheduler = Scheduler(
        Journal(folder / "trainings.jsonl"),
        processes=processes,
        threads=threads,
        runs=folder / "runs",
        progress=progress,
    )
    scheduler.run([study])
    content = _content(training, study, stores, folder)
    content["cost"] = {"seconds": _seconds(study), "wall_seconds": round(time.monotonic() - start, 1)}
    content["environment"] = {
        "python": platform.python_version(), "torch": str(torch.__version__), "platform": platform.platform(),
        "threads": threads, "processes": scheduler.processes,
    }  # fmt: skip
    write_json(folder / "comparison.json", content)
    return Comparison.open(folder)


def _check(methods: Sequence[str], seeds: int, settings: Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(methods, str) or not methods:
        raise UsageError(f"methods are a list of names; received {methods!r}; pass for example ['aft', 'kd']")
    for method in methods:
        objectives_of(method)
    if seeds < 1:
        raise UsageError(f"a comparison needs at least one seed; received {seeds}; 5 is usual")
    for name in _OWN:
        if name in settings:
            raise UsageError(f"a comparison sets {name} itself; received {name}={settings[name]!r}; leave it out")
    return tuple(dict.fromkeys(methods))


def _claim(folder: Path, training: Training) -> None:
    """A folder holds one comparison: of one dataset, student and set of teachers."""
    described = training.description()
    described["settings"] = {
        name: value for name, value in described["settings"].items() if name not in (*_OWN, "device", "workers")
    }
    path = folder / "config.json"
    if path.exists():
        found = differences(described, read_json(path, "a comparison"))
        if found:
            raise RunError(
                f"a comparison's folder holds one task, student and set of teachers; {str(folder)!r} has another: {'; '.join(found[:4])}; "
                "choose another --out"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"a comparison needs an empty folder; {str(folder)!r} holds other things; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, described)


def _content(training: Training, study: Study, stores: list[FeatureStore], folder: Path) -> dict[str, Any]:
    targets, labels = training.targets, training.test_labels
    root = targets.kind == "regression"
    probe, majority = probe_losses(training, stores), majority_losses(training)
    probe_error = None if probe is None else error_of(probe[None], root=root)
    rows = []
    for method in study.methods:
        row = summarise(
            method, study.choices[method], study.finals[method], study.trials.get(method, []), targets=targets, labels=labels,
            plain=study.finals["finetune"], probe=probe_error,
        )  # fmt: skip
        runs = [folder / "runs" / f"{trained['method']}-{trained['seed']}" for trained in study.finals[method]]
        row["curve"] = [_curve(run, seed) for seed, run in enumerate(runs)]
        row["gates"] = _gates(runs[0])
        rows.append(row)
    teachers = []
    for store in stores:
        alone = probe if len(stores) == 1 else probe_losses(training, [store])
        teachers.append({
            "name": store.name, "dim": store.dim, "model": store.fingerprint.get("model"),
            "probe_error": None if alone is None else error_of(alone[None], root=root),
        })  # fmt: skip
    first = folder / "runs" / "finetune-0"
    return {
        "format": FORMAT, "aft": aft.__version__,
        "task": {
            "kind": targets.kind, "error_name": study.finals["finetune"][0].get("error_name", "rmse" if root else "error"),
            "classes": list(targets.classes), "samples": training.counts, "source": training.dataset.source,
        },
        "student": {
            "name": training.config.student, "parameters": training.student.size(),
            "bytes": RunLayout(first).weights.stat().st_size, **_speed(first, training),
        },
        "teachers": teachers, "seeds": list(range(study.seeds)), "rows": rows,
        "probe": None if probe is None else _reference(probe, root), "majority": _reference(majority, root),
        "words": in_words(rows, probe_error, targets),
    }  # fmt: skip


def _reference(losses: NDArray[np.float64], root: bool) -> dict[str, float]:
    low, high = np.quantile(draw(losses[None, None], root=root)[0], [0.025, 0.975])
    return {"error": error_of(losses[None], root=root), "low": float(low), "high": float(high)}


def _speed(run: Path, training: Training) -> dict[str, float]:
    if training.config.student.startswith("module:"):
        return {}
    student = load_student(run, training.code)[0]
    inputs = [training.dataset.inputs[i] for i in range(min(256, len(training.dataset)))]

    def answer(part: Sequence[Any]) -> object:
        return forward_all(student, student.backbone.encode(list(part)))

    return {"throughput": throughput(answer, inputs), "latency_ms": latency(answer, inputs[:16], repeats=3)}


def _curve(run: Path, seed: int) -> dict[str, Any]:
    path = run / "metrics.csv"
    if not path.exists():
        return {"seed": seed, "step": [], "task_loss": [], "objective": []}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        "seed": seed, "step": [int(row["step"]) for row in rows], "task_loss": [float(row["task_loss"]) for row in rows],
        "objective": [float(row["objective"]) for row in rows if row["objective"]],
    }  # fmt: skip


def _gates(run: Path) -> dict[str, Any] | None:
    gates = gate_weights(run) if (run / "config.json").exists() else None
    if gates is None:
        return None
    shown = {}
    for name, weights in gates.items():
        values = weights.numpy()
        strongest = np.argsort(-values)[:10]
        shown[name] = {
            "mean": float(values.mean()), "histogram": np.histogram(values, bins=20, range=(0, 1))[0].tolist(),
            "strongest": [[int(place), float(values[place])] for place in strongest],
        }  # fmt: skip
    return shown


def _seconds(study: Study) -> float:
    rows = {
        row["key"]: float(row["seconds"]) for rows in [*study.trials.values(), *study.finals.values()] for row in rows
    }
    return round(sum(rows.values()), 1)
