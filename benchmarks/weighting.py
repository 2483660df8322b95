"""Which weighting and which beta do best on validation data? The grids of ``beta="auto"`` come from this.

Trains on part of the training split with each weighting and beta, and reports the validation loss relative to that of fine-tuning.
Test samples play no part. Finished trainings are kept in ``benchmarks/results/weighting.jsonl``, and an interrupted run resumes.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import aft
from aft.demo import minilm_folder, movie_sentences, unpack_mpnet
from aft.training import HParams, Problem, TrainConfig, TrialRequest, run_trial

GRID = {"fixed": (0.3, 1.0, 3.0, 10.0, 30.0), "balanced": (0.1, 0.3, 1.0, 3.0)}
ROWS = Path(__file__).parent / "results" / "weighting.jsonl"


def movies(label: str, labelled: int, unlabelled: int) -> aft.Dataset:
    """Return a fixed selection of movie sentences, some of them unlabelled."""
    sentences = aft.Dataset.from_table(movie_sentences(), text="sentence", label=label, id="id")
    eligible = [i for i, value in enumerate(sentences.labels or []) if value is not None]
    chosen = np.random.default_rng(20261123).permutation(eligible)[: labelled + unlabelled]
    subset = sentences.subset(chosen)
    subset.labels = [value if i < labelled else None for i, value in enumerate(subset.labels or [])]
    return subset


def tasks(features: Path) -> dict[str, tuple[aft.Dataset, aft.FeatureStore, list[str]]]:
    """Return each task with its dataset, the features of its teacher and the names of its students."""
    texts = ["aft:static", f"aft:static,embeddings={minilm_folder()}"]
    everything = aft.Dataset.from_table(movie_sentences(), text="sentence", label="polarity", id="id")
    scarce, rating = movies("polarity", 1000, 2000), movies("rating", 2000, 1000)
    needed = everything.subset(np.array([everything.ids.index(i) for i in {*scarce.ids, *rating.ids}]))
    mpnet = aft.extract(needed, f"hf:{unpack_mpnet()}", name="mpnet", out=features)
    return {
        "polarity, 1000 labels and 2000 without": (scarce, mpnet, texts),
        "rating, 2000 labels and 1000 without": (rating, mpnet, texts),
    }


def main() -> None:
    """Run the missing trainings and print the summary."""
    torch.set_num_threads(int(sys.argv[sys.argv.index("--threads") + 1]) if "--threads" in sys.argv else 2)
    features = (
        Path(sys.argv[sys.argv.index("--features") + 1]) if "--features" in sys.argv else Path(tempfile.mkdtemp())
    )
    ROWS.parent.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    done = {(r["task"], r["student"], r["seed"], r["weighting"], r["beta"]) for r in rows}
    for name, (dataset, store, students) in tasks(features).items():
        for student in students:
            for seed in (0, 1):
                plan = [(None, 0.0), *[(weighting, beta) for weighting in GRID for beta in GRID[weighting]]]
                key = student.replace(str(minilm_folder()), "MiniLM")
                plan = [p for p in plan if (name, key, seed, *p) not in done]
                if not plan:
                    continue
                problem = Problem.build(dataset, student, [store], TrainConfig(split_seed=seed))
                default = problem.default_hparams(problem.config)
                for weighting, beta in plan:
                    hparams = HParams(default.lr, min(default.steps, 400), default.weight_decay, weighting, beta)
                    trial = run_trial(problem, TrialRequest("aft" if beta else "finetune", hparams))
                    row = {"task": name, "student": key, "seed": seed, "weighting": weighting, "beta": beta}
                    row |= {"steps": hparams.steps, "loss": trial.loss, "error": trial.error, "seconds": trial.seconds}
                    rows.append(row)
                    with ROWS.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                    print(row, file=sys.stderr)
    summary: dict[str, dict[str, float]] = {}
    for weighting in GRID:
        ratios: dict[str, list[float]] = {}
        for row in rows:
            if row["weighting"] != weighting:
                continue
            (plain,) = [
                r for r in rows
                if r["weighting"] is None and all(r[k] == row[k] for k in ("task", "student", "seed"))
            ]  # fmt: skip
            ratios.setdefault(f"{row['beta']:g}", []).append(row["loss"] / plain["loss"])
        summary[weighting] = {beta: round(statistics.geometric_mean(values), 4) for beta, values in ratios.items()}
        cells: dict[tuple[str, str, int], list[float]] = {}
        for row in rows:
            if row["weighting"] in (weighting, None):
                cells.setdefault((row["task"], row["student"], row["seed"]), []).append(row["loss"])
        plain_loss = {(r["task"], r["student"], r["seed"]): r["loss"] for r in rows if r["weighting"] is None}
        summary[weighting]["best"] = round(
            statistics.geometric_mean([min(v) / plain_loss[k] for k, v in cells.items()]), 4
        )
    print(json.dumps({"benchmark": "weighting", "validation_loss_against_finetuning": summary, "trainings": len(rows)}))


if __name__ == "__main__":
    main()
