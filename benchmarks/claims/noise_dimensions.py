"""Does a method mind features that mean nothing, beside those of a real teacher?

The teacher's features stand beside random numbers, as many or ten times as many. AFT learns a gate for each dimension, which should
close those of the noise; methods that match all features alike should suffer. This is the paper's experiment with a real teacher.
"""

import harness
import tasks

import features
from aft.comparison import Study

METHODS = {"ngrams": ("aft", "kd", "rkd", "probe-kd"), "mobilenet": ("aft", "probe-kd")}
SEEDS = 3
TIMES = (0, 1, 10)
PAIRS = (("polarity", "ngrams"), ("caltech101", "mobilenet"))


def studies() -> list[Study]:
    """One study per pair of task and student, and amount of noise."""
    return [
        tasks.make_study(
            task, student, METHODS[student], teachers=_teachers(task, times), seeds=SEEDS, variation=tasks.TENTH
        )
        for task, student in PAIRS
        for times in TIMES
    ]


def _teachers(task: str, times: int) -> tuple[str, ...]:
    own = tasks.TASKS[task].teacher
    return (own, f"{features.NOISE}{times}") if times else (own,)


def main() -> None:
    """Run the studies and write the result."""
    arguments = harness.parse(__doc__)
    result = harness.run("AFT ignores dimensions that mean nothing.", studies(), arguments)
    errors = {
        (row["task"], row["teachers"], row["method"]): row["error"]
        for row in result["rows"]
        if row["method"] in METHODS[row["student"]]
    }
    result["ratio"] = [
        {"task": task, "teachers": teachers, "method": method, "ratio": error / errors[task, alone, method]}
        for (task, teachers, method), error in errors.items()
        if (task, alone := teachers.partition("+")[0], method) in errors
    ]
    harness.write("noise_dimensions", result)


if __name__ == "__main__":
    main()
