"""What a comparison found: numbers with intervals, and words."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.comparison._training_spec import Choice
from aft.comparison._journal import Row
from aft.comparison._predictions import decode, losses
from aft.data import Targets
from aft.evaluation import confusion, draw, error_of, normalised_error, paired_difference


def losses_of(targets: Targets, labels: NDArray[Any], rows: Sequence[Row]) -> NDArray[np.float64]:
    """Losses on the test part of the trainings of a method, ``(S, N)``."""
    return np.stack([losses(targets, decode(row["predictions"]), labels) for row in rows])


def summarise(
    method: str,
    choice: Choice,
    rows: Sequence[Row],
    trials: Sequence[Row],
    *,
    targets: Targets,
    labels: NDArray[Any],
    plain: Sequence[Row],
    probe: float | None,
) -> dict[str, Any]:
    """One method's line.

    Args:
        method: Its name.
        choice: What was chosen for it.
        rows: Its compared trainings, a seed each.
        trials: Its search.
        targets: The task.
        labels: Encoded labels of the test part.
        plain: Fine-tuning's compared trainings, in the same order of seeds.
        probe: The probe's error.

    Returns:
        JSON values, as docs/comparison.md describes them.
    """
    root = targets.kind == "regression"
    mine, base = losses_of(targets, labels, rows), losses_of(targets, labels, plain)
    errors = [error_of(row[None], root=root) for row in mine]
    mean, base_mean = error_of(mine, root=root), error_of(base, root=root)
    low, high = np.quantile(draw(mine[None], root=root)[0], [0.025, 0.975])
    ratio = normalised_error([(mine, base, root)])
    difference = paired_difference(mine, base, root=root)
    gap = None
    if probe is not None and probe < base_mean:
        gap = (base_mean - mean) / (base_mean - probe)
    confused = None
    if targets.kind == "classification":
        certain = np.eye(targets.outputs)
        counted = [confusion(targets, certain[decode(row["predictions"])], labels) for row in rows]
        confused = np.sum(counted, axis=0).tolist()
    names = [name for name in rows[0]["test"] if name != "error"]
    return {
        "method": method, **choice.__dict__, "errors": errors, "mean": mean,
        "spread": statistics.stdev(errors) if len(errors) > 1 else 0.0, "low": float(low), "high": float(high),
        "normalised": ratio.mean, "normalised_low": ratio.low, "normalised_high": ratio.high, "gap_closed": gap,
        "difference": None if method == "finetune" else {
            "mean": difference.mean, "low": difference.low, "high": difference.high, "noise": difference.is_noise,
        },
        "same_as_finetune": method != "finetune" and not choice.beta,
        "search_seconds": sum(row["seconds"] for row in trials), "train_seconds": statistics.median(row["seconds"] for row in rows),
        "metrics": {name: statistics.mean(row["test"][name] for row in rows) for name in names},
        "confusion": confused,
        "trials": [
            {**row["choice"], "loss": row["validation"]["loss"], "error": row["validation"]["error"],
             "seconds": row["seconds"], "pruned": row["validation"]["loss"] is None}
            for row in trials
        ],
    }  # fmt: skip


def in_words(rows: Sequence[Mapping[str, Any]], probe: float | None, targets: Targets) -> list[str]:
    """What the table means, a sentence a method; which differences are noise.

    Args:
        rows: From `summarise`.
        probe: The probe's error.
        targets: The task.

    Returns:
        Sentences.
    """
    scale, unit = (1.0, "") if targets.kind == "regression" else (100.0, " points")
    digits = 3 if targets.kind == "regression" else 1

    def shown(value: float) -> str:
        return f"{scale * value:.{digits}f}"

    plain = next(row for row in rows if row["method"] == "finetune")
    sentences = []
    others = sorted((row for row in rows if row is not plain), key=lambda row: row["mean"])
    real = [row for row in others if not row["same_as_finetune"]]
    for row in real:
        found = row["difference"]
        if found["noise"]:
            sentences.append(
                f"{row['method']} shows no difference from fine-tuning beyond noise ({scale * found['mean']:+.{digits}f}{unit}, "
                f"95 % interval {scale * found['low']:+.{digits}f} to {scale * found['high']:+.{digits}f})."
            )
            continue
        verb, low, high = "lowers", -found["high"], -found["low"]
        if found["mean"] > 0:
            verb, low, high = "raises", found["low"], found["high"]
        sentences.append(
            f"{row['method']} {verb} the error by {shown(abs(found['mean']))}{unit} against fine-tuning "
            f"(95 % interval {shown(low)} to {shown(high)})."
        )
    same = [row["method"] for row in others if row["same_as_finetune"]]
    if same:
        sentences.append(
            f"{', '.join(same)}: no strength did better than none on validation data, so {'these are' if len(same) > 1 else 'this is'} "
            "plain fine-tuning here."
        )
    if probe is not None and probe >= plain["mean"]:
        sentences.append(
            "The teacher's probe is no better than fine-tuning here: there is little for the student to learn from it."
        )
    return sentences
