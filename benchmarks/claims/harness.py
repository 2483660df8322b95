"""What the claims' scripts share: running studies against one journal of trainings, and tables with intervals."""

import argparse
import json
import logging
import math
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from aft.comparison import Journal, Row, Scheduler, Study, losses_of, majority_losses, probe_losses, summarise
from aft.evaluation import error_of, normalised_error
from aft.training import Training

RESULTS = Path(__file__).parent.parent / "results"
_TRAININGS: dict[str, Training] = {}


def run(claim: str, studies: Sequence[Study], arguments: argparse.Namespace, *, tested: bool = True) -> dict[str, Any]:
    """Run the trainings that are not there yet, and say what they found.

    Args:
        claim: What is claimed, in a sentence.
        studies: In the order of their importance: a run that is cut short has the first ones whole.
        arguments: From `parse`.
        tested: Whether a row is written for each method of each study; without, the claim looks at the trials itself.

    Returns:
        The result, to be completed and handed to `write`.
    """
    start = time.monotonic()
    limit = None if arguments.minutes is None else 60 * arguments.minutes
    scheduler = Scheduler(Journal(RESULTS / "trainings.jsonl"), limit=limit, processes=arguments.processes)
    ended = scheduler.run(studies)
    names = [study.cell.name for study in ended]
    return {
        "claim": claim, "complete": len(ended) == len(studies), "missing": [s.cell.name for s in studies if s.cell.name not in names],
        "tasks": sorted({name.split("/")[0] for name in names}), "students": sorted({name.split("/")[1] for name in names}),
        "seeds": max((study.seeds for study in studies), default=0), "rows": [line for s in ended for line in lines(s)] if tested else [],
        "trained_now": scheduler.trained, "seconds_now": round(time.monotonic() - start, 1),
        "machine": {"cores": arguments.processes, "torch": str(torch.__version__), "python": platform.python_version()}, "_studies": ended,
    }  # fmt: skip


def lines(study: Study) -> list[dict[str, Any]]:
    """A line for each method of a study, and for its probe and the majority's answer."""
    task, student, teachers, *changed = study.cell.name.split("/")
    training = training_of(study)
    targets, labels = training.targets, training.test_labels
    root = targets.kind == "regression"
    probe, majority = probe_losses(training, study.cell.stores()), majority_losses(training)
    shared = {"task": task, "student": student, "teachers": teachers, "variation": "/".join(changed)}
    ceiling = None if probe is None else error_of(probe[None], root=root)
    found = [
        {**shared, "method": "majority", "error": error_of(majority[None], root=root)},
        {**shared, "method": "probe", "error": ceiling},
    ]
    for method in study.methods:
        summary = summarise(
            method, study.choices[method], study.finals[method], study.trials.get(method, []),
            targets=targets, labels=labels, plain=study.finals["finetune"], probe=ceiling,
        )  # fmt: skip
        kept = {key: value for key, value in summary.items() if key not in ("metrics", "confusion", "trials")}
        found.append({**shared, **kept, "error": kept.pop("mean"), "parameters": training.student.size()})
    return found


def training_of(study: Study) -> Training:
    """The training of a study's cell, made once."""
    name = study.cell.name
    if name not in _TRAININGS:
        _TRAININGS[name] = study.cell.training()
    return _TRAININGS[name]


def averaged(studies: Sequence[Study], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Normalised error of each method, averaged over studies, with its interval."""
    found: dict[str, dict[str, float]] = {}
    for method in methods:
        pairs = []
        for study in (one for one in studies if method in one.finals):
            targets, labels = training_of(study).targets, training_of(study).test_labels
            mine, plain = (losses_of(targets, labels, study.finals[name]) for name in (method, "finetune"))
            pairs.append((mine, plain, targets.kind == "regression"))
        if pairs:
            found[method] = {**normalised_error(pairs)._asdict(), "studies": len(pairs)}
    return found


def validated(studies: Sequence[Study], methods: Sequence[str]) -> dict[str, float]:
    """Geometric mean over studies of a method's lowest validation loss over fine-tuning's, strength 0 among its trials.

    What the default of ``aft train`` is chosen by: test data plays no part.
    """
    found = {}
    for method in methods:
        ratios = [
            min(1.0, best_loss(study.trials[method]) / best_loss(study.trials["finetune"]))
            for study in studies
            if method in study.trials
        ]
        if ratios:
            found[method] = math.exp(statistics.mean(math.log(ratio) for ratio in ratios))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def best_loss(rows: Sequence[Row]) -> float:
    """The lowest validation loss of some trials; infinite where all diverged."""
    losses = [row["validation"]["loss"] for row in rows if row["validation"]["loss"] is not None]
    return float(min(losses, default=math.inf))


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
