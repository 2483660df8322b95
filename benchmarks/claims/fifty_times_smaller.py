"""How close does a student fifty times smaller come to mpnet?

The student is `aft:ngrams`, with at most 2.2 million parameters, whose vocabulary comes from the training texts. It trains on 2,000
labelled movie sentences and all others unlabelled. Measured are its error, the gap closed, and its inference cost.
"""

import statistics
import time

import harness
import tasks
import torch

from aft.comparison import Study
from aft.demo import unpack_mpnet
from aft.models import Student, forward_all, load_backbone
from aft.training import Problem

METHODS = ("aft", "kd", "probe-kd", "aft+probe-kd")
SEEDS = 3
LARGEST = 2_200_000


def studies() -> list[Study]:
    """The smallest student, with 2,000 labels and all other samples unlabelled."""
    variation = tasks.Variation(2000, True)
    return [tasks.make_study("polarity", "ngrams", METHODS, seeds=SEEDS, variation=variation)]


def main() -> None:
    """Run the study and write the result."""
    arguments = harness.parse(__doc__)
    (study,) = studies()
    result = harness.run(
        "A student fifty times smaller than its teacher keeps much of what it knows.", [study], arguments
    )
    result["cost"] = _cost(study.problem)
    harness.write("fifty_times_smaller", result)


def _cost(problem: Problem) -> dict[str, float]:
    """Number of parameters, and milliseconds for one sentence on one thread; student and teacher take turns."""
    torch.set_num_threads(1)
    teacher = Student(load_backbone(f"hf:{unpack_mpnet()}"), problem.targets.outputs).eval()
    inputs = [problem.dataset.inputs[index] for index in problem.splits.test[:40].tolist()]
    times: dict[str, list[float]] = {"teacher": [], "student": []}
    # In turns of all sentences, not of each: the teacher's weights would push the student's out of the caches.
    for _ in range(3):
        for name, model in (("teacher", teacher), ("student", problem.template)):
            for text in inputs:
                start = time.perf_counter()
                forward_all(model, model.backbone.encode([text]))
                times[name].append(1000 * (time.perf_counter() - start))
    small, large = problem.template.size(), teacher.size()
    assert small <= LARGEST
    teacher_ms, student_ms = (statistics.median(times[name]) for name in ("teacher", "student"))
    return {
        "student_parameters": small, "teacher_parameters": large, "size_ratio": large / small,
        "student_ms": student_ms, "teacher_ms": teacher_ms, "latency_ratio": teacher_ms / student_ms,
    }  # fmt: skip


if __name__ == "__main__":
    main()
