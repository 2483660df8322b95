"""Shared by the claims: running studies with one journal of trainings, and averages with intervals."""

import argparse
import json
import logging
import math
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.comparison import (
    Journal,
    Scheduler,
    Study,
    fit_baselines,
    losses_of,
    majority_losses,
    probe_losses,
    summarise,
)
from aft.core import __version__, write_json
from aft.evaluation import error_of, gap_closed, normalised_error
from aft.training import Trial

RESULTS = Path(__file__).parent.parent / "results"
JOURNAL = RESULTS / "trainings.jsonl"


def run(claim: str, studies: Sequence[Study], arguments: argparse.Namespace, *, tested: bool = True) -> dict[str, Any]:
    """Run the trainings that are not in the journal yet, and collect the results.

    Args:
        claim: The claim, in a sentence.
        studies: The studies, most important first: if the time limit is reached, the first ones are complete.
        arguments: From `parse`.
        tested: Whether to add a row for each method of each study. Claims about validation loss need none.

    Returns:
        The result, to be completed and passed to `write`.
    """
    start = time.monotonic()
    limit = None if arguments.minutes is None else 60 * arguments.minutes
    scheduler = Scheduler(Journal(JOURNAL, made_by=made_by()), limit=limit, processes=arguments.processes)
    complete = scheduler.run(
        [one for one in studies if arguments.students is None or _student(one) in arguments.students]
    )
    names = [study.name for study in complete]
    return {
        "claim": claim, "complete": len(complete) == len(studies), "missing": [s.name for s in studies if s.name not in names],
        "tasks": sorted({name.split("/")[0] for name in names}), "students": sorted(set(map(_student, complete))),
        "seeds": max((study.seeds for study in studies), default=0),
        "rows": [row for study in complete for row in rows(study)] if tested else [],
        "trained_now": scheduler.trained, "seconds_now": round(time.monotonic() - start, 1),
        "machine": {"processes": arguments.processes, "torch": str(torch.__version__), "python": platform.python_version()},
        "_studies": complete,
    }  # fmt: skip


def _student(study: Study) -> str:
    return study.name.split("/")[1]


def made_by() -> str:
    """Return version and commit of the running code, for the rows of the journal."""
    command = ["git", "-C", str(RESULTS), "describe", "--always", "--dirty", "--abbrev=7"]
    try:
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__}+{commit}"


@dataclass(frozen=True)
class Rivals:
    """What needs no student, and fine-tuning.

    Attributes:
        losses: The loss of each test sample, ``(S, N)``, by name.
        best: Name of the one without a teacher that has the lowest error. Choosing by the test error favours it.
        probe: Error of the teachers' probe; None where a store lacks samples.
    """

    losses: dict[str, NDArray[np.float64]]
    best: str
    probe: float | None


#: Rivals by the name of the study.
_KNOWN: dict[str, Rivals] = {}


def rivals(study: Study) -> Rivals:
    """Return what the methods of a complete study have to beat."""
    if study.name not in _KNOWN:
        _KNOWN[study.name] = _rivals(study)
    return _KNOWN[study.name]


def _rivals(study: Study) -> Rivals:
    problem, root = study.problem, _root(study)
    plain = losses_of(problem.targets, problem.test_labels, study.finals["finetune"])
    found = {"majority": np.broadcast_to(majority_losses(problem), plain.shape), "finetune": plain}
    fitted = fit_baselines(problem)
    found |= {one.name: np.broadcast_to(one.losses(problem), plain.shape) for one in fitted}
    without = [name for name in found if not any(one.name == name and one.needs_teachers for one in fitted)]
    probe = probe_losses(problem, problem.stores)
    return Rivals(
        found,
        min(without, key=lambda name: error_of(found[name], root=root)),
        None if probe is None else error_of(probe[None], root=root),
    )


def rows(study: Study) -> list[dict[str, Any]]:
    """Return one row per method of a study, per baseline, and for the probe."""
    task, student, teachers, *variation = study.name.split("/")
    shared = {"task": task, "student": student, "teachers": teachers, "variation": "/".join(variation)}
    known, root = rivals(study), _root(study)
    found = [{**shared, "method": "probe", "error": known.probe}]
    for name, losses in known.losses.items():
        if name not in study.methods:
            found.append({**shared, "method": name, "error": error_of(losses, root=root)})
    best = error_of(known.losses[known.best], root=root)
    for method in study.methods:
        summary = summarise(study, method, probe=known.probe).model_dump(
            mode="json", exclude={"metrics", "confusion", "trials", "curve", "gates"}
        )
        error = summary.pop("mean")
        found.append({
            **shared, **summary, "error": error, "parameters": study.problem.template.size(), "best_baseline": known.best,
            "best_baseline_error": best, "gap_closed": gap_closed(error, best, known.probe),
        })  # fmt: skip
    return found


def averaged(
    studies: Sequence[Study], methods: Sequence[str], *, against: str = "finetune"
) -> dict[str, dict[str, float]]:
    """Return the error of each method relative to another, averaged over the studies that have it, with its interval.

    Args:
        studies: Complete studies.
        methods: Names of methods.
        against: What to divide by: ``"finetune"``, or ``"best"`` for the best baseline of each study that needs no teacher.
    """
    found: dict[str, dict[str, float]] = {}
    for method in methods:
        pairs = []
        for study in [study for study in studies if method in study.finals]:
            known = rivals(study)
            own = losses_of(study.problem.targets, study.problem.test_labels, study.finals[method])
            pairs.append((own, known.losses[known.best if against == "best" else against], _root(study)))
        if pairs:
            found[method] = {**normalised_error(pairs)._asdict(), "studies": len(pairs)}
    return found


def _root(study: Study) -> bool:
    return study.problem.targets.kind == "regression"


def validated(studies: Sequence[Study], methods: Sequence[str]) -> dict[str, float]:
    """Return each method's lowest validation loss divided by that of fine-tuning, as a geometric mean over studies.

    Fine-tuning's trials compete, so a ratio is at most 1. The default of ``aft train`` is chosen by it; test data plays no part.
    """
    found = {}
    for method in methods:
        logarithms = [_log_ratio(study, method) for study in studies if method in study.found.trials]
        if logarithms:
            found[method] = math.exp(statistics.mean(logarithms))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def behind(studies: Sequence[Study], best: str, methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return how far each method's validation loss is behind that of the best one, on average over studies: as a share of it.

    The standard error is that of a mean of paired differences over the studies.
    """
    found = {}
    for method in methods:
        differences = [_log_ratio(study, method) - _log_ratio(study, best) for study in studies]
        found[method] = {
            "mean": statistics.mean(differences),
            "standard_error": statistics.stdev(differences) / math.sqrt(len(differences)),
        }
    return found


def _log_ratio(study: Study, method: str) -> float:
    trials = study.found.trials
    return math.log(min(1.0, lowest_loss(trials[method]) / lowest_loss(trials["finetune"])))


def lowest_loss(trials: Sequence[Trial]) -> float:
    """Return the lowest validation loss of some trials; infinite if none can be chosen."""
    return min((trial.pooled_score for trial in trials), default=math.inf)


def write(name: str, result: dict[str, Any]) -> None:
    """Write a result, and print it without its rows as the last line."""
    result = {key: value for key, value in result.items() if not key.startswith("_")}
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{name}.json", json.loads(json.dumps(result, default=float)))
    short = {key: value for key, value in result.items() if key != "rows"}
    print(json.dumps(short, default=float))


def parse(description: str | None) -> argparse.Namespace:
    """Parse the arguments that all scripts of the claims share."""
    logging.getLogger("aft").addHandler(logging.StreamHandler(sys.stderr))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--minutes", type=float, help="start no training after this time; run the script again to continue"
    )
    parser.add_argument(
        "--students", nargs="+", help="leave out comparisons with other students; they count as missing"
    )
    parser.add_argument("--processes", type=int, default=2, help="number of trainings side by side")
    return parser.parse_args()
