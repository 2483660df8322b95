"""Classes with an order: what the ordinal task gives beside a classification of the same classes and a regression whose values are rounded.

Ratings of movie sentences in five classes of equal size: `aft:ngrams` is fine-tuned on 2,400 sentences and measured on 1,600, with three
seeds. The last line is one JSON object.
"""

import argparse
import csv
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import cohen_kappa_score

import aft
import aft.training._loss
from aft.data import Dataset, make_splits
from aft.demo import movie_sentences

#: The task, and for the ordinal one how fast its labels fade from class to class.
TASKS = (("classification", 0.0), ("regression", 0.0), ("ordinal", 1.0), ("ordinal", 1.5), ("ordinal", 2.5))


def ratings(count: int) -> tuple[list[str], list[str], list[int]]:
    """Ids, sentences and classes from 1 to 5."""
    with movie_sentences().open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["rating"]]
    values = np.array([float(row["rating"]) for row in rows])
    classes = np.digitize(values, np.quantile(values, [0.2, 0.4, 0.6, 0.8])) + 1
    chosen = np.random.default_rng(3).permutation(len(rows))[:count].tolist()
    return (
        [rows[i]["id"] for i in chosen],
        [rows[i]["sentence"] for i in chosen],
        [int(classes[i]) for i in chosen],
    )


def measured(task: str, fading: float, seed: int, samples: tuple[list[str], list[str], list[int]]) -> dict[str, float]:
    """Train, and measure the classes that are predicted."""
    ids, texts, classes = samples
    aft.training._loss.FADING = fading or aft.training._loss.FADING
    labels = [float(value) for value in classes] if task == "regression" else classes
    data = Dataset.from_arrays(texts, labels, ids=ids)
    # Held out as classes, so that all tasks are measured on the same samples.
    held = make_splits(
        Dataset.from_arrays(texts, classes, ids=ids), validation_fraction=0.2, test_fraction=0.4, seed=0, unlabelled="use",
        leakage="error",
    ).test  # fmt: skip
    splits = ["train"] * len(ids)
    for place in held.tolist():
        splits[place] = "test"
    data = Dataset.from_arrays(texts, labels, ids=ids, splits=splits)
    with tempfile.TemporaryDirectory() as folder:
        run = aft.train(
            data, "aft:ngrams", method="finetune", task=task, seed=seed, out=Path(folder) / "run", progress=False, logger="none",
        )  # fmt: skip
        predicted = aft.load(run).predict([texts[i] for i in held.tolist()])
    truth = np.array([classes[i] for i in held.tolist()])
    found = np.clip(np.rint([float(one.label) for one in predicted]), 1, 5).astype(int)
    return {
        "error": float((found != truth).mean()), "mae": float(np.abs(found - truth).mean()),
        "quadratic_kappa": float(cohen_kappa_score(truth, found, weights="quadratic")),
    }  # fmt: skip


def main() -> None:
    """Measure every task and print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=4000)
    arguments = parser.parse_args()
    samples = ratings(arguments.samples)
    rows = []
    for task, fading in TASKS:
        found = [measured(task, fading, seed, samples) for seed in range(arguments.seeds)]
        row = {
            "task": task,
            "fading": fading,
            **{name: round(statistics.mean(one[name] for one in found), 4) for name in found[0]},
        }
        print(row, flush=True)
        rows.append(row)
    print(json.dumps({"benchmark": "ordinal", "seeds": arguments.seeds, "samples": arguments.samples, "rows": rows}))


if __name__ == "__main__":
    main()
