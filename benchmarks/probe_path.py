"""How fine the path of a probe's penalties has to be: whole powers of ten, or half ones.

Probes are fitted on the features of the claims (benchmarks/claims/features.py): with a tenth of the training labels or up to 4,000, on
three random divisions of the training samples, and measured on up to 1,000 others of them. Test samples play no part. The last line is
one JSON object: the log loss and the error with half powers, less those with whole ones, and how much longer the fit took.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

from aft.data import Targets
from aft.evaluation import measure
from aft.probing import _linear_probe

sys.path.insert(0, str(Path(__file__).parent / "claims"))
import tasks

import features

WHOLE = (10.0, 1.0, 0.1, 0.01, 0.001)
HALF = tuple(10.0**power for power in np.arange(1, -3.25, -0.5).tolist())
NAMES = ("polarity", "trec", "sst2", "cola", "mrpc", "imdb", "cifar10")


def samples(name: str) -> tuple[torch.Tensor, np.ndarray, Targets]:
    """Features and labels of the training samples of a task."""
    dataset, task = tasks.load(name), tasks.TASKS[name]
    assert dataset.splits is not None
    assert dataset.labels is not None
    chosen = [place for place, split in enumerate(dataset.splits) if split == "train"]
    chosen = np.random.default_rng(0).permutation(chosen)[:5000].tolist()
    (store,) = features.stores(task.source, task.teacher)
    labels = [dataset.labels[place] for place in chosen]
    targets = Targets.infer(labels)
    return (
        store.tensor([dataset.ids[place] for place in chosen]),
        targets.encode(labels, [""] * len(labels))[0],
        targets,
    )


def main() -> None:
    """Fit every probe with both paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--divisions", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for name in NAMES:
        x, y, targets = samples(name)
        held = min(1000, len(y) // 3)
        for share in (0.1, 1.0):
            found: dict[str, list[tuple[float, float, float, float]]] = {"whole": [], "half": []}
            for division in range(arguments.divisions):
                order = np.random.default_rng(division).permutation(len(y))
                test, train = order[:held], order[held : held + round(share * (len(y) - held))]
                for path, penalties in (("whole", WHOLE), ("half", HALF)):
                    _linear_probe.PENALTIES = penalties
                    start = time.perf_counter()
                    probe = _linear_probe.fit_linear_probe(
                        x[train], torch.from_numpy(y[train]), targets.kind, outputs=targets.outputs
                    )
                    seconds = time.perf_counter() - start
                    values = measure(targets, probe(x[test]).numpy(), y[test]).values
                    found[path].append((values["log_loss"], values["error"], seconds, probe.penalty))
            mean = {path: np.mean(np.array(one), axis=0) for path, one in found.items()}
            rows.append({
                "task": name, "labels": len(train), "log_loss": [round(float(mean[p][0]), 4) for p in found],
                "error": [round(float(mean[p][1]), 4) for p in found], "seconds": [round(float(mean[p][2]), 2) for p in found],
                "penalties": [[one[3] for one in found[p]] for p in found],
            })  # fmt: skip
            print(rows[-1], flush=True)
    ratios = [row["log_loss"][1] / row["log_loss"][0] for row in rows]
    print(json.dumps({
        "benchmark": "probe_path", "rows": rows, "log_loss_ratio": round(statistics.geometric_mean(ratios), 4),
        "error_difference": round(statistics.mean(row["error"][1] - row["error"][0] for row in rows), 5),
        "seconds_ratio": round(statistics.geometric_mean(row["seconds"][1] / row["seconds"][0] for row in rows), 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
