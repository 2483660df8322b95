"""A training step with each method against one of plain fine-tuning, side by side, on random data of usual shapes."""

import json
import statistics
import sys
import tempfile

import numpy as np

import aft
from aft.features import Sample, StoreWriter
from aft.training import TrainConfig, Training

STUDENTS = ["aft:static", "aft:transformer,max_length=32"]
ROUNDS, STEPS = 5, 20


def main() -> None:
    """Interleave the methods, several rounds, and report the median ratio of a step's time."""
    generator = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(3000)])
    texts = [" ".join(generator.choice(words, 20)) for _ in range(1500)]
    dataset = aft.Dataset.from_arrays(texts, ["ab"[i % 2] for i in range(1500)])
    with tempfile.TemporaryDirectory() as folder:
        samples = [Sample(*pair) for pair in zip(dataset.ids, dataset.digests, strict=True)]
        writer = StoreWriter.plan(f"{folder}/t", name="t", fingerprint={}, dim=768, samples=samples)
        for shard in writer.pending():
            writer.commit(shard, generator.standard_normal((writer.rows(shard), 768)))
        store = writer.finish()
        rows = []
        for student in STUDENTS:
            methods = ["finetune", "aft", "kd", "probe-kd"]
            made = {
                m: Training(dataset, student, [store], TrainConfig.of(student=student, method=m, batch_size=128), progress=False)
                for m in methods
            }  # fmt: skip
            seconds: dict[str, list[float]] = {}
            for _ in range(ROUNDS):
                for name, training, form in [
                    *((m, made[m], "raw") for m in methods),
                    ("aft, balanced", made["aft"], "balanced"),
                ]:
                    result = training.fit(form, 1.0, STEPS, training.members)[1]
                    seconds.setdefault(name, []).append(result.seconds / STEPS)
            plain = statistics.median(seconds["finetune"])
            for name, values in seconds.items():
                middle = statistics.median(values)
                rows.append(
                    {
                        "student": student,
                        "method": name,
                        "ms": round(middle * 1e3, 2),
                        "ratio": round(middle / plain, 3),
                    }
                )
                print(rows[-1], file=sys.stderr)
    print(json.dumps({"benchmark": "step_overhead", "batch": 128, "teacher_dim": 768, "rows": rows}))


if __name__ == "__main__":
    main()
