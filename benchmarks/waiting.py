"""How much of a training's time is spent waiting for data: MobileNetV2 at 64 pixels on a folder of JPEG files.

Files are cut out of two photographs that scikit-learn has, and decoded and augmented at every use. One thread computes; the next batch
is prepared by another thread during each step, or by two worker processes. Pictures that are not augmented are decoded once, before
training, so that the seconds of a step beside theirs say what decoding takes from the computing. The last line is one JSON object.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import torch

from aft.training import HParams, Problem, TrainConfig, fit
from extraction import images

FILES, BATCH = 512, 64
STUDENT = "python:aft.demo:mobilenetv2_64"


def main() -> None:
    """Train a few steps in each way, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=25)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shares: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        dataset = images(FILES, Path(folder))
        problems = {
            f"{augment}, {workers} workers": Problem.build(
                dataset, STUDENT, [], TrainConfig(augment=augment, workers=workers, batch_size=BATCH, device="cpu")
            )
            for augment, workers in (("none", 0), ("clean", 0), ("clean", 2))
        }
        for _ in range(arguments.rounds):
            for name, problem in problems.items():
                plain = problem.default_hparams(problem.config, objective=False)
                hparams = HParams(plain.lr, arguments.steps, plain.weight_decay)
                fitted = fit(problem, hparams, 0, method="finetune")
                shares.setdefault(name, []).append(fitted.waiting_for_data)
                seconds.setdefault(name, []).append(fitted.seconds)
    decoded = next(iter(seconds.values()))
    print(json.dumps({
        "benchmark": "waiting", "student": STUDENT, "batch": BATCH, "steps": arguments.steps,
        "waiting": {name: round(statistics.median(found), 4) for name, found in shares.items()},
        "ms": {name: round(1e3 * statistics.median(found) / arguments.steps) for name, found in seconds.items()},
        "of_decoded_images": {
            name: round(statistics.median(a / b for a, b in zip(found, decoded, strict=True)), 3)
            for name, found in seconds.items()
        },
    }))  # fmt: skip


if __name__ == "__main__":
    main()
