"""Measure the time of a linear probe, including the cross-validation of its penalty, on features of typical sizes."""

import json
import resource
import sys
import time

import torch

from aft.probing import fit_linear_probe

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


def main() -> None:
    """Measure each size once, with torch's default number of threads."""
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
    print(json.dumps({"benchmark": "probe", "threads": torch.get_num_threads(), "rows": rows}))


if __name__ == "__main__":
    main()
