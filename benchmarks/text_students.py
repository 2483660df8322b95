"""Text students on movie polarity, beside what needs no student: errors, latency and size, without the claims' test sentences.

The claims' test split plays no part, unless ``--claims`` asks for it once everything is chosen: two folds of the other sentences are
the test splits here, and all choices are made on a fifth of the labels. ``--more`` adds unlabelled sentences of IMDb reviews. Comparisons are
kept in the folder that is given, so an interrupted script goes on where it was. The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import aft
from aft.data import Dataset
from aft.demo import minilm_folder, unpack_mpnet
from aft.evaluation import latency, throughput
from aft.features import FeatureStore
from aft.runs import RunLayout

sys.path.insert(0, str(Path(__file__).parent / "claims"))

import imdb_sentences
import tasks

import features

METHODS = ("aft", "probe-kd", "aft+probe-kd")
LABELLED, FOLDS, SEEDS = (250, 1000, 2000), 2, 3


def students() -> dict[str, str]:
    """Names of students by short names."""
    return {
        "ngrams": "aft:ngrams",
        "static": "aft:static",
        "static-mpnet": f"aft:static,init={unpack_mpnet()}",
        "ngrams+static": f"aft:ngrams+aft:static,init={unpack_mpnet()}",
        "cnn": f"aft:cnn,init={unpack_mpnet()}",
        "ngrams+cnn": f"aft:ngrams+aft:cnn,init={unpack_mpnet()}",
        "minilm2": f"hf:{minilm_folder()},keep_layers=2,max_length=64,vocabulary=8000",
        "ngrams+minilm3": f"aft:ngrams+hf:{minilm_folder()},keep_layers=3,max_length=64,vocabulary=8000",
    }


def fold_of(number: int, labelled: int) -> Dataset:
    """A quarter of the sentences outside the claims' test split for testing; of the others, so many have a label."""
    rows = tasks.movie_rows(tasks.TASKS["polarity"])
    outside = np.random.default_rng(tasks.SPLIT_SEED).permutation(len(rows))[tasks.TASKS["polarity"].test :]
    order = np.random.default_rng(number).permutation(outside).tolist()
    test, train = order[: len(order) // 4], order[len(order) // 4 :]
    labels = [rows[i][2] for i in train[:labelled]] + [None] * (len(train) - labelled) + [rows[i][2] for i in test]
    chosen = [rows[i] for i in [*train, *test]]
    splits = ["train"] * len(train) + ["test"] * len(test)
    return Dataset.from_arrays(
        [text for _, text, _ in chosen], labels, ids=[name for name, _, _ in chosen], splits=splits
    )


def teacher(more: int) -> FeatureStore:
    """The teacher's features of the movie sentences, and of so many sentences of IMDb reviews."""
    if not more:
        return features.stores("movie", "mpnet")[0]
    both = features.samples("movie").with_unlabelled(imdb_sentences.sentences(more))
    return aft.extract(both, f"hf:{unpack_mpnet()}", name="mpnet", out=features.folder("movie+imdb"), precision="bf16")


def splits_of(labelled: int, more: int, *, claims: bool) -> dict[str, Dataset]:
    """Datasets by name: the claims' split alone, or the folds of everything else."""
    if claims:
        found = {"claims": tasks.load("polarity", tasks.Variation(labelled, unlabelled=True))}
    else:
        found = {str(number): fold_of(number, labelled) for number in range(FOLDS)}
    if not more:
        return found
    return {name: data.with_unlabelled(imdb_sentences.sentences(more)) for name, data in found.items()}


def measure(
    student: str, methods: Sequence[str], labelled: int, out: Path, *, more: int, claims: bool, **settings: Any
) -> dict[str, Any]:
    """Errors in percent, averaged over the folds; latency in milliseconds of one text alone and in batches; bytes.

    The settings are those of the trainings; learning rate and beta are searched where they do not give them.
    """
    store = teacher(more)
    errors: dict[str, list[float]] = {}
    for name, data in splits_of(labelled, more, claims=claims).items():
        folder = out / f"{labelled}-{name}"
        comparison = aft.compare(
            data, student, store, methods=methods, seeds=SEEDS, out=folder, progress=False, **settings
        )
        print(f"{student}, {labelled} labels, {name}\n{comparison}", flush=True)
        errors.setdefault("probe", []).append(comparison.result.probe.error)
        for baseline in comparison.result.baselines:
            errors.setdefault(baseline.name, []).append(baseline.error)
        for method in comparison.methods:
            errors.setdefault(method.method, []).append(method.mean)
    layout = RunLayout(folder / "runs" / "finetune-0")
    model, texts = aft.load(layout.directory), [data.inputs[i] for i in range(512)]
    half = aft.load(layout.directory, precision="bf16")
    return {
        **{name: round(100 * float(np.mean(values)), 2) for name, values in errors.items()},
        "ms_one_text": latency(model.predict, texts[:16], repeats=5),
        "ms_in_batches": 1000 / throughput(model.predict, texts),
        "ms_in_batches_bf16": 1000 / throughput(half.predict, texts),
        "bytes": layout.deployed_bytes(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the comparisons")
    parser.add_argument("--student", choices=list(students()), default="ngrams")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--labelled", nargs="+", type=int, default=LABELLED)
    parser.add_argument("--precision", default="fp32", help="bf16 is several times as fast where the processor has it")
    parser.add_argument("--lr", type=float, help="learning rate, where the search takes too long; chosen on the folds")
    parser.add_argument("--beta", type=float, help="the same for beta")
    parser.add_argument("--more", type=int, default=0, help="sentences of IMDb reviews, without a label")
    parser.add_argument("--claims", action="store_true", help="measure on the claims' test split")
    chosen = parser.parse_args()
    settings = {name: value for name in ("precision", "lr", "beta") if (value := getattr(chosen, name)) is not None}
    if chosen.beta is not None:
        settings["weighting"] = "balanced"
    results = {
        str(count): measure(
            students()[chosen.student], chosen.methods, count, chosen.out / f"{chosen.student}-{chosen.more}",
            more=chosen.more, claims=chosen.claims, **settings,
        )
        for count in chosen.labelled
    }  # fmt: skip
    print(
        json.dumps(
            {"student": chosen.student, "claims": chosen.claims, "more": chosen.more, "seeds": SEEDS, "labels": results}
        )
    )
