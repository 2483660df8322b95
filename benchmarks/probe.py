"""Measure the time of a linear probe, including the cross-validation of its penalty, on features of typical sizes.

For one size, scikit-learn's logistic regression does the same in turn: the same folds, penalties, rule for skipping penalties and
standardisation. The last line is one JSON object.
"""

import json
import resource
import statistics
import sys
import time

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from aft.probing import fit_linear_probe
from aft.probing._linear_probe import FOLDS, PENALTIES, STOP_RATIO

SIZES = [(1_000, 768, 2), (3_000, 768, 2), (3_000, 768, 10), (50_000, 1_536, 10)]


def problem(samples: int, width: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Generate features whose spectrum decays like that of a model, and noisy classes that depend on them linearly."""
    generator = torch.Generator().manual_seed(0)
    spectrum = torch.arange(1, width + 1) ** -0.6
    features = torch.randn(samples, width, generator=generator) * spectrum
    rotation = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    scores = features @ torch.randn(width, classes, generator=generator)
    noise = torch.randn(samples, classes, generator=generator)
    return features @ rotation, (scores / scores.std() + 0.5 * noise).argmax(1)


#: Size, rounds and held-out samples of the comparison with scikit-learn.
BESIDE, ROUNDS, HELD_OUT = (10_000, 768, 10), 3, 2_000


def scikit_learn(features: torch.Tensor, labels: torch.Tensor, folds: torch.Tensor) -> tuple[Pipeline, float]:
    """Logistic regression with its penalty chosen by cross-validation, as one would write it; and the penalty."""
    x, y, fold = features.numpy(), labels.numpy(), folds.numpy()
    classes = range(int(y.max()) + 1)

    def model(penalty: float, samples: int) -> Pipeline:
        return make_pipeline(StandardScaler(), LogisticRegression(C=1 / (penalty * samples), max_iter=1000))

    losses: list[float] = []
    for penalty in PENALTIES:
        total = 0.0
        for held in range(FOLDS):
            inside = fold != held
            fitted = model(penalty, int(inside.sum())).fit(x[inside], y[inside])
            total += log_loss(y[~inside], fitted.predict_proba(x[~inside]), labels=classes, normalize=False)
        losses.append(total)
        if total > STOP_RATIO * min(losses):
            break
    best = PENALTIES[losses.index(min(losses))]
    return model(best, len(y)).fit(x, y), best


def beside_scikit_learn() -> dict[str, object]:
    """Both on the same features, in turn."""
    samples, width, classes = BESIDE
    features, labels = problem(samples + HELD_OUT, width, classes)
    x, y, x_test, y_test = features[:samples], labels[:samples], features[samples:], labels[samples:]
    folds = torch.arange(samples) % FOLDS
    seconds: dict[str, list[float]] = {"aft": [], "scikit-learn": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        probe = fit_linear_probe(x, y, "classification", folds=folds)
        seconds["aft"].append(time.perf_counter() - start)
        start = time.perf_counter()
        other, penalty = scikit_learn(x, y, folds)
        seconds["scikit-learn"].append(time.perf_counter() - start)
    return {
        "samples": samples, "width": width, "classes": classes,
        "seconds": {name: round(statistics.median(found), 2) for name, found in seconds.items()},
        "times_as_fast": round(statistics.median(b / a for a, b in zip(*seconds.values(), strict=True)), 2),
        "penalties": [probe.penalty, penalty],
        "held_out_loss": [float(torch.nn.functional.cross_entropy(probe(x_test), y_test)), log_loss(y_test.numpy(), other.predict_proba(x_test.numpy()))],
    }  # fmt: skip


def main() -> None:
    """Measure each size once, with torch's default number of threads."""
    beside = beside_scikit_learn()
    print(beside, file=sys.stderr, flush=True)
    rows = []
    for samples, width, classes in SIZES:
        features, labels = problem(samples, width, classes)
        start = time.perf_counter()
        probe = fit_linear_probe(features, labels, "classification")
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append({"samples": samples, "width": width, "classes": classes, "seconds": round(seconds, 2), "penalty": probe.penalty,
                     "peak_mb": round(peak)})  # fmt: skip
        print(rows[-1], file=sys.stderr, flush=True)
    print(
        json.dumps(
            {"benchmark": "probe", "threads": torch.get_num_threads(), "rows": rows, "beside_scikit_learn": beside}
        )
    )


if __name__ == "__main__":
    main()
