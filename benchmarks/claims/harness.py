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
from pathlib import Path
from typing import Any

import torch

from aft.comparison import Journal, Scheduler, Study, losses_of, majority_losses, probe_losses, summarise
from aft.core import __version__, write_json
from aft.evaluation import error_of, normalised_error
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
    complete = scheduler.run(studies)
    names = [study.name for study in complete]
    return {
        "claim": claim, "complete": len(complete) == len(studies), "missing": [s.name for s in studies if s.name not in names],
        "tasks": sorted({name.split("/")[0] for name in names}), "students": sorted({name.split("/")[1] for name in names}),
        "seeds": max((study.seeds for study in studies), default=0),
        "rows": [row for study in complete for row in rows(study)] if tested else [],
        "trained_now": scheduler.trained, "seconds_now": round(time.monotonic() - start, 1),
        "machine": {"processes": arguments.processes, "torch": str(torch.__version__), "python": platform.python_version()},
        "_studies": complete,
    }  # fmt: skip


def made_by() -> str:
    """Return version and commit of the running code, for the rows of the journal."""
    command = ["git", "-C", str(RESULTS), "describe", "--always", "--dirty", "--abbrev=7"]
    try:
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__}+{commit}"


def rows(study: Study) -> list[dict[str, Any]]:
    """Return one row per method of a study, and one each for the probe and the constant prediction."""
    task, student, teachers, *variation = study.name.split("/")
    problem = study.problem
    root = problem.targets.kind == "regression"
    probe, majority = probe_losses(problem, problem.stores), majority_losses(problem)
    shared = {"task": task, "student": student, "teachers": teachers, "variation": "/".join(variation)}
    probe_error = None if probe is None else error_of(probe[None], root=root)
    found = [
        {**shared, "method": "majority", "error": error_of(majority[None], root=root)},
        {**shared, "method": "probe", "error": probe_error},
    ]
    for method in study.methods:
        summary = summarise(study, method, probe=probe_error).model_dump(
            mode="json", exclude={"metrics", "confusion", "trials", "curve", "gates"}
        )
        found.append({**shared, **summary, "error": summary.pop("mean"), "parameters": problem.template.size()})
    return found


def averaged(studies: Sequence[Study], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the normalised error of each method, averaged over studies, with its interval."""
    found: dict[str, dict[str, float]] = {}
    for method in methods:
        pairs = []
        for study in [study for study in studies if method in study.finals]:
            targets, labels = study.problem.targets, study.problem.test_labels
            own, plain = (losses_of(targets, labels, study.finals[name]) for name in (method, "finetune"))
            pairs.append((own, plain, targets.kind == "regression"))
        if pairs:
            found[method] = {**normalised_error(pairs)._asdict(), "studies": len(pairs)}
    return found


def validated(studies: Sequence[Study], methods: Sequence[str]) -> dict[str, float]:
    """Return each method's lowest validation loss divided by that of fine-tuning, as a geometric mean over studies.

    Fine-tuning's trials compete, so a ratio is at most 1. The default of ``aft train`` is chosen by it; test data plays no part.
    """
    found = {}
    for method in methods:
        ratios = [
            min(1.0, lowest_loss(study.found.trials[method]) / lowest_loss(study.found.trials["finetune"]))
            for study in studies
            if method in study.found.trials
        ]
        if ratios:
            found[method] = math.exp(statistics.mean(math.log(ratio) for ratio in ratios))
    return dict(sorted(found.items(), key=lambda item: item[1]))


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
    parser.add_argument("--processes", type=int, default=2, help="number of trainings side by side")
    return parser.parse_args()
