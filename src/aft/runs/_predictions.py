"""Predictions as a CSV or JSON-lines file."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from aft.core import atomic_path
from aft.errors import UsageError
from aft.runs._layout import RunLayout
from aft.runs._model import Prediction
from aft.runs._schema import RunConfig

SUFFIXES = (".csv", ".jsonl")


def write_predictions(
    path: str | Path, ids: Sequence[str], predictions: Sequence[Prediction], *, overwrite: bool = False
) -> None:
    """Write predictions to a file, atomically.

    Args:
        path: A ``.csv`` file with the columns ``id``, ``label`` and one for the probability of each class, or a ``.jsonl`` file.
        ids: The ids of the samples, in the order of the predictions.
        predictions: The predictions.
        overwrite: Replace an existing file.

    Raises:
        UsageError: Another kind of file, or one that exists.
    """
    target = Path(path)
    check_output(target, overwrite=overwrite)
    classes = list(predictions[0].probabilities) if predictions else []
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if target.suffix == ".csv":
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "label", *(f"probability of {name}" for name in classes)])
            for sample_id, prediction in zip(ids, predictions, strict=True):
                writer.writerow([sample_id, prediction.label, *(f"{p:.6f}" for p in prediction.probabilities.values())])
        else:
            for sample_id, prediction in zip(ids, predictions, strict=True):
                row = {"id": sample_id, "label": prediction.label, "probabilities": prediction.probabilities}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def check_output(path: Path, *, overwrite: bool) -> None:
    """Reject an output file that cannot be written, before the work rather than after it.

    Raises:
        UsageError: Another kind of file, a missing folder, or a file that exists.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"predictions are written as {' or '.join(SUFFIXES)}; received {path.name!r}; change the suffix"
        )
    if not path.parent.is_dir():
        raise UsageError(f"the output's folder must exist; there is no folder {str(path.parent)!r}; create it first")
    if path.exists() and not overwrite:
        raise UsageError(f"existing files are kept; {str(path)!r} exists; choose another out=, or pass overwrite=True")


def input_columns(run: str | Path, given: Mapping[str, str | None]) -> dict[str, str | None]:
    """The columns of a table to predict from: those that are given, else those that the run was trained on.

    Args:
        run: The run directory.
        given: Columns by role; None where none was given.

    Returns:
        Columns by role.
    """
    stored = RunConfig.read(RunLayout(Path(run)).config).data.columns
    named = {role: column for role, column in given.items() if column is not None}
    # A table with other inputs than the run's: nothing can be said of its other columns.
    if named.keys() & {"text", "image"}:
        return {role: named.get(role) for role in given}
    return {role: named.get(role, stored.get(role)) for role in given}
