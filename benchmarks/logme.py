"""LogME beside the published NumPy form, in turn.

That is a singular value decomposition of the features in float64, and for each class the same fixed point. The last line is one JSON object.
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch
from numpy.typing import NDArray

from aft.probing import fit_logme

CLASSES = 10


def published(features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The score as the paper's code computes it (You et al. 2021), of features with full rank."""
    f = features.astype(np.float64)
    n, width = f.shape
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    sigma = s[:, None] ** 2
    scores = []
    for c in range(CLASSES):
        y = (labels == c).astype(np.float64)[:, None]
        x = u.T @ y
        x2 = x**2
        residual = (y**2).sum() - x2.sum()
        alpha, beta = 1.0, 1.0
        for _ in range(11):
            t = alpha / beta
            gamma = (sigma / (sigma + t)).sum()
            m2 = (sigma * x2 / (t + sigma) ** 2).sum()
            res2 = (x2 / (1 + sigma / t) ** 2).sum() + residual
            alpha = gamma / (m2 + 1e-5)
            beta = (n - gamma) / (res2 + 1e-5)
            if abs(alpha / beta - t) / t <= 1e-3:
                break
        evidence = width / 2 * np.log(alpha) + n / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * sigma).sum()
        evidence += -beta / 2 * res2 - alpha / 2 * m2 - n / 2 * np.log(2 * np.pi)
        scores.append(evidence / n)
    return float(np.mean(scores))


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=15_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    features = (
        generator.standard_normal((arguments.samples, arguments.width)) * np.arange(1, arguments.width + 1) ** -0.6
    )
    labels = (features[:, :CLASSES] + 0.5 * generator.standard_normal((arguments.samples, CLASSES))).argmax(1)
    ours, theirs = [], []
    tensors = torch.from_numpy(features).float(), torch.from_numpy(labels)
    features = tensors[0].double().numpy()  # the same numbers for both
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        score = fit_logme(*tensors, "classification").evidence
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        reference = published(features, labels)
        theirs.append(time.perf_counter() - start)
    print(
        json.dumps({
            "benchmark": "logme", "samples": arguments.samples, "width": arguments.width, "classes": CLASSES,
            "seconds": round(statistics.median(ours), 2), "published_seconds": round(statistics.median(theirs), 2),
            "times_as_fast": round(statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 2),
            "difference": abs(score - reference),
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
