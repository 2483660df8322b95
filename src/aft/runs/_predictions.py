"""Predictions as a file."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aft.runs._model import Prediction
from aft.errors import UsageError
from aft.training import RunLayout, read_json

SUFFIXES = (".csv", ".jsonl")


def write_predictions(
    path: str | Path, ids: Sequence[str], predictions: Sequence[Prediction], *, overwrite: bool = False
) -> None:
    """Write predictions whole or not at all.

    Args:
        path: A ``.csv`` file with columns ``id``, ``label`` and a probability a class, or a ``.jsonl`` file.
        ids: Ids, in the order of the predictions.
        predictions: The predictions.
        overwrite: Replace a file that exists.

    Raises:
        UsageError: Another kind of file, or one that exists.
    """
    target = Path(path)
    check_target(target, overwrite)
    temporary = target.with_name(f".writing-{target.name}")
    classes = list(predictions[0].probabilities) if predictions else []
    with temporary.open("w", encoding="utf-8", newline="") as file:
        if target.suffix == ".csv":
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "label", *(f"probability of {name}" for name in classes)])
            for sample_id, prediction in zip(ids, predictions, strict=True):
                writer.writerow([sample_id, prediction.label, *(f"{p:.6f}" for p in prediction.probabilities.values())])
        else:
            for sample_id, prediction in zip(ids, predictions, strict=True):
                row = {"id": sample_id, "label": prediction.label, "probabilities": prediction.probabilities}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    temporary.replace(target)


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be written, before the work and not after it.

    Raises:
        UsageError: Another kind of file, no folder, or one that exists.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"predictions are written as {' or '.join(SUFFIXES)}; received {path.name!r}; change the name's end"
        )
    if not path.parent.is_dir():
        raise UsageError(f"predictions need a folder to go to; there is none at {str(path.parent)!r}; make it first")
    if path.exists() and not overwrite:
        raise UsageError(
            f"nothing is overwritten unasked; {str(path)!r} exists; choose another --out, or pass --overwrite"
        )


def columns_of(run: str | Path, given: dict[str, Any]) -> dict[str, Any]:
    """Columns of a table to predict from: those given, else those that the run was trained on.

    Args:
        run: The run folder.
        given: Columns by role; None where none was named.

    Returns:
        Columns by role.
    """
    stored = read_json(RunLayout(Path(run)).config, "a run")["data"]
    named = {role: column for role, column in given.items() if column is not None}
    # A table of other inputs than the run's: only what was named holds.
    if named.keys() & {"text", "image"}:
        return {role: named.get(role) for role in given}
    return {role: named.get(role, stored.get(role)) for role in given}
