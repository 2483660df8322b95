"""What the claims' scripts share: running studies against one journal of trainings, and tables with intervals."""

import argparse
import json
import logging
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.comparison import Journal, Scheduler, Study, losses_of, majority_losses, probe_losses
from aft.evaluation import draw, error_of, normalised_error, paired_difference

RESULTS = Path(__file__).parent.parent / "results"


def run(claim: str, studies: Sequence[Study], arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the trainings that are not there yet, and say what they found.

    Args:
        claim: What is claimed, in a sentence.
        studies: In the order of their importance: a run that is cut short has the first ones whole.
        arguments: From `parse`.

    Returns:
        The result, to be completed and handed to `write`.
    """
    start = time.monotonic()
    limit = None if arguments.minutes is None else 60 * arguments.minutes
    scheduler = Scheduler(Journal(RESULTS / "trainings.jsonl"), limit=limit, processes=arguments.processes)
    ended = scheduler.run(studies)
    missing = [study.cell.name for study in studies if not any(study is other for other in ended)]
    rows = [line for study in ended for line in lines(study)]
    return {
        "claim": claim, "complete": not missing, "missing": missing,
        "tasks": sorted({row["task"] for row in rows}), "students": sorted({row["student"] for row in rows}),
        "seeds": max((study.seeds for study in studies), default=0), "rows": rows, "trained_now": scheduler.trained,
        "seconds_now": round(time.monotonic() - start, 1), "machine": {"cores": arguments.processes, "torch": str(torch.__version__), "python": platform.python_version()},
        "_studies": ended,
    }  # fmt: skip


def lines(study: Study) -> list[dict[str, Any]]:
    """A line for each method of a study, and for its probe and the majority's answer."""
    task, student, teachers, *changed = study.cell.name.split("/")
    training = study.cell.training()
    targets, labels = training.targets, training.test_labels
    root = targets.kind == "regression"
    probe, majority = probe_losses(training, study.cell.stores()), majority_losses(training)
    shared = {"task": task, "student": student, "teachers": teachers, "variation": "/".join(changed)}
    plain = losses_of(targets, labels, study.finals["finetune"])
    base = error_of(plain, root=root)
    ceiling = None if probe is None else error_of(probe[None], root=root)
    found = [
        {**shared, "method": "majority", "error": error_of(majority[None], root=root)},
        {**shared, "method": "probe", "error": ceiling},
    ]
    for method in study.methods:
        rows = study.finals[method]
        mine = losses_of(targets, labels, rows)
        errors = [error_of(row[None], root=root) for row in mine]
        ratio, difference = normalised_error([(mine, plain, root)]), paired_difference(mine, plain, root=root)
        low, high = np.quantile(draw(mine[None], root=root)[0], [0.025, 0.975])
        choice = study.choices[method]
        found.append({
            **shared, "method": method, "error": error_of(mine, root=root), "low": float(low), "high": float(high),
            "spread": statistics.stdev(errors) if len(errors) > 1 else 0.0, "errors": errors,
            "normalised": ratio._asdict(), "difference": difference._asdict(),
            "gap_closed": None if ceiling is None or ceiling >= base else (base - error_of(mine, root=root)) / (base - ceiling),
            "choice": choice.__dict__, "seconds": statistics.median(row["seconds"] for row in rows),
            "search_seconds": sum(row["seconds"] for row in study.trials.get(method, [])),
            "parameters": training.student.size(),
        })  # fmt: skip
    return found


def averaged(studies: Sequence[Study], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Normalised error of each method, averaged over studies, with its interval."""
    found: dict[str, dict[str, float]] = {}
    tasks: list[tuple[Study, Any, NDArray[Any]]] = []
    for study in studies:
        training = study.cell.training()
        tasks.append((study, training.targets, training.test_labels))
    for method in methods:
        pairs = [
            (
                losses_of(targets, labels, study.finals[method]),
                losses_of(targets, labels, study.finals["finetune"]),
                targets.kind == "regression",
            )
            for study, targets, labels in tasks
            if method in study.finals
        ]
        if pairs:
            found[method] = {**normalised_error(pairs)._asdict(), "studies": len(pairs)}
    return found


def write(name: str, result: dict[str, Any]) -> None:
    """Keep a result, and print it as the last line."""
    result = {key: value for key, value in result.items() if not key.startswith("_")}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    temporary = path.with_name(f".writing-{path.name}")
    temporary.write_text(json.dumps(result, indent=1, default=float) + "\n", encoding="utf-8")
    temporary.replace(path)
    short = {key: value for key, value in result.items() if key != "rows"}
    print(json.dumps(short, default=float))


def parse(description: str | None) -> argparse.Namespace:
    """The arguments of every claim's script."""
    logging.getLogger("aft").addHandler(logging.StreamHandler(sys.stderr))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, help="begin no training after this long; run again to go on")
    parser.add_argument("--processes", type=int, default=2, help="trainings side by side")
    return parser.parse_args()
