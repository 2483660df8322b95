"""``aft demo``: movie-review polarity, a large teacher, a small student, few labels."""

import csv
import json
import logging
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import aft
from aft.data import Dataset, Targets
from aft.demo._packages import unpack_mpnet
from aft.demo._tasks import movie_sentences
from aft.evaluation import paired_difference, probe_error, throughput
from aft.features import FeatureStore
from aft.training import Run

log = logging.getLogger("aft")

#: Fixed before any test result was looked at; see docs/demo.md.
STUDENT = "aft:static"
METHODS = ("finetune", "aft", "probe-kd")
SPLIT_SEED = 2406_07337


@dataclass(frozen=True)
class Size:
    """How much of the sentences the demo takes.

    Attributes:
        labelled: Training sentences with their label.
        unlabelled: Training sentences without.
        test: Test sentences, with labels.
        seeds: Trainings a method.
    """

    labelled: int
    unlabelled: int
    test: int
    seeds: int


FULL = Size(labelled=1000, unlabelled=1500, test=1000, seeds=3)
SHORT = Size(labelled=200, unlabelled=100, test=100, seeds=1)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        method: What was done.
        errors: Test error of each seed.
        parameters: Of what would be deployed.
        speed: Sentences a second on this CPU.
        seconds: Spent on it: search and trainings, or extraction and probe.
        wrong: For each seed and test sentence whether the answer was wrong, ``(S, N)``; None for the probe.
    """

    method: str
    errors: tuple[float, ...]
    parameters: int
    speed: float
    seconds: float
    wrong: NDArray[np.float64] | None = None


def run_demo(out: str | Path, *, short: bool = False) -> str:
    """Run the demo.

    Everything is kept below ``out``: a second run computes no features and repeats no training.

    Args:
        out: Folder for the table of samples, features and runs.
        short: A few hundred sentences and one seed, to see that it works; its numbers mean nothing.

    Returns:
        The table, a sentence of what it means, and where everything lies.

    Raises:
        DataError: The model or the sentences could not be fetched.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    size = SHORT if short else FULL
    log.info("fetching all-mpnet-base-v2 (110 million parameters) and the movie sentences, once")
    teacher = unpack_mpnet()
    table = write_task(folder / "reviews.csv", movie_sentences(), size)
    dataset = Dataset.from_table(table, text="sentence", label="label", id="id", split="split")
    store, seconds = _extract(dataset, teacher, folder)
    rows = [_probe_row(dataset, store, teacher, seconds)]
    for method in METHODS:
        runs = _train(dataset, store, method, folder, size.seeds)
        inputs = [dataset.inputs[i] for i in range(min(500, len(dataset)))]
        speed = throughput(aft.load(runs[0].path).predict, inputs)
        spent = sum(float(run.result["total_seconds"]) for run in runs)
        errors = tuple(run.error or 0.0 for run in runs)
        rows.append(Row(method, errors, runs[0].parameters, speed, spent, _wrong(runs, dataset)))
    text = "\n".join(["", *_table(rows), "", meaning(rows), "", *_places(folder)])
    content = {"size": size.__dict__, "student": STUDENT, "rows": [{**row.__dict__, "wrong": None} for row in rows]}
    (folder / "table.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return text


def write_task(path: Path, sentences: Path, size: Size) -> Path:
    """Write the demo's task as a table like a user's own: some training labels are left empty.

    Args:
        path: The table to write; one that is there is kept.
        sentences: From `movie_sentences`.
        size: How many of each.

    Returns:
        The table.
    """
    if path.exists():
        return path
    with sentences.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["polarity"]]
    chosen = np.random.default_rng(SPLIT_SEED).permutation(len(rows))
    temporary = path.with_name(f".writing-{path.name}")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "sentence", "label", "split"))
        for place, index in enumerate(chosen[: size.labelled + size.unlabelled + size.test].tolist()):
            row, training = rows[index], place < size.labelled + size.unlabelled
            label = row["polarity"] if place < size.labelled or not training else ""
            writer.writerow((row["id"], row["sentence"], label, "train" if training else "test"))
    temporary.replace(path)
    return path


def _extract(dataset: Dataset, teacher: Path, folder: Path) -> tuple[FeatureStore, float]:
    note = folder / "extraction.json"
    before = float(json.loads(note.read_text(encoding="utf-8"))["seconds"]) if note.exists() else 0.0
    start = time.monotonic()
    store = aft.extract(dataset, f"hf:{teacher}", name="mpnet", out=folder / "features")
    if not before:
        before = time.monotonic() - start
        note.write_text(json.dumps({"seconds": before}), encoding="utf-8")
    return store, before


def _probe_row(dataset: Dataset, store: FeatureStore, teacher: Path, extraction: float) -> Row:
    labels, splits = dataset.labels or [], dataset.splits or []
    train = [i for i, split in enumerate(splits) if split == "train" and labels[i] is not None]
    test = [i for i, split in enumerate(splits) if split == "test"]
    targets = Targets.infer([labels[i] for i in train])

    def part(indices: list[int]) -> tuple[list[str], NDArray[Any]]:
        ids = [dataset.ids[i] for i in indices]
        return ids, targets.encode([labels[i] for i in indices], ids)[0]

    start = time.monotonic()
    metrics = probe_error([store], targets, part(train), part(test))
    from aft.models import load_backbone

    backbone = load_backbone(f"hf:{teacher}")
    speed = len(dataset) / extraction if extraction else 0.0
    return Row(
        "probe", (metrics.error,), backbone.size() + store.dim * 2 + 2, speed, extraction + time.monotonic() - start
    )


def _train(dataset: Dataset, store: FeatureStore, method: str, folder: Path, seeds: int) -> list[Run]:
    """The strength and the steps are chosen once, with the first seed, on validation data; the other seeds use them."""
    log.info("%s:", method)
    options: dict[str, Any] = {"method": method, "progress": False}
    runs = [aft.train(dataset, STUDENT, store, out=folder / "runs" / f"{method}-0", seed=0, **options)]
    first = runs[0]
    options |= {"beta": first.beta, "strength": first.strength, "steps": first.steps}
    return runs + [
        aft.train(dataset, STUDENT, store, out=folder / "runs" / f"{method}-{seed}", seed=seed, **options)
        for seed in range(1, seeds)
    ]


def _table(rows: list[Row]) -> list[str]:
    names = {
        "probe": "teacher + linear probe",
        "finetune": "student, fine-tuned",
        "aft": "student, AFT",
        "probe-kd": "student, probe-kd",
    }
    lines = [f"{'':24} {'test error':>14} {'parameters':>12} {'sentences/s':>12} {'seconds':>8}"]
    for row in rows:
        mean = f"{100 * statistics.mean(row.errors):.1f} %"
        spread = f" ± {100 * statistics.stdev(row.errors):.1f}" if len(row.errors) > 1 else ""
        shown = f"{row.parameters / 1e6:.1f} M"
        lines.append(f"{names[row.method]:24} {mean + spread:>14} {shown:>12} {row.speed:>12,.0f} {row.seconds:>8.0f}")
    return lines


def meaning(rows: list[Row]) -> str:
    """One sentence of what the table means.

    A difference counts as one when its 95 % interval, by a paired bootstrap over seeds and test sentences, leaves out zero.

    Args:
        rows: The table.

    Returns:
        The sentence.
    """
    by_name = {row.method: row for row in rows}
    plain = by_name["finetune"]
    assert plain.wrong is not None
    found = []
    for row in rows:
        if row.wrong is None or row is plain:
            continue
        difference = paired_difference(plain.wrong, row.wrong)
        interval = f"95 % interval {100 * difference.low:.1f} to {100 * difference.high:.1f}"
        if np.array_equal(row.wrong, plain.wrong):
            found.append(f"{row.method} chose strength 0 on validation data and is plain fine-tuning here")
        elif difference.is_noise:
            found.append(f"{row.method} shows no effect beyond noise ({100 * difference.mean:+.1f} points, {interval})")
        else:
            verb = "lowers" if difference.mean > 0 else "raises"
            found.append(f"{row.method} {verb} the error by {abs(100 * difference.mean):.1f} points ({interval})")
    smaller = by_name["probe"].parameters / plain.parameters
    return f"Against fine-tuning the same student, {smaller:.0f} times smaller than the teacher: {'; '.join(found)}."


def _wrong(runs: list[Run], dataset: Dataset) -> NDArray[np.float64]:
    test = [i for i, split in enumerate(dataset.splits or []) if split == "test"]
    inputs, labels = [dataset.inputs[i] for i in test], [(dataset.labels or [])[i] for i in test]
    answers = [[p.label for p in aft.load(run.path).predict(inputs)] for run in runs]
    return np.array([[float(a != b) for a, b in zip(row, labels, strict=True)] for row in answers])


def _places(folder: Path) -> list[str]:
    shown = os.path.relpath(folder)
    return [
        f"samples   {shown}/reviews.csv",
        f"features  {shown}/features/mpnet   (aft inspect {shown}/features/mpnet)",
        f"runs      {shown}/runs/            (aft inspect {shown}/runs/aft-0)",
        f"table     {shown}/table.json",
    ]
