"""Does a method mind features that mean nothing, beside those of a real teacher?

The teacher's features stand beside random numbers, as many or ten times as many. AFT learns a gate for each dimension, which should
close those of the noise; methods that match all features alike should suffer. This is the paper's experiment with a real teacher.
"""

import harness
import tasks

import features
from aft.comparison import Study

METHODS = ("aft", "kd", "rkd", "probe-kd")
SEEDS = 3
TIMES = (0, 1, 10)
TASK, STUDENT = "polarity", "ngrams"


def studies() -> list[Study]:
    """One study per amount of noise."""
    own = tasks.TASKS[TASK].teacher
    teachers = [(own, f"{features.NOISE}{times}") if times else (own,) for times in TIMES]
    return [
        tasks.make_study(TASK, STUDENT, METHODS, teachers=names, seeds=SEEDS, variation=tasks.TENTH)
        for names in teachers
    ]


def main() -> None:
    """Run the studies and write the result."""
    arguments = harness.parse(__doc__)
    result = harness.run("AFT ignores dimensions that mean nothing.", studies(), arguments)
    errors = {
        (row["task"], row["teachers"], row["method"]): row["error"]
        for row in result["rows"]
        if row["method"] in METHODS
    }
    result["ratio"] = [
        {"task": task, "teachers": teachers, "method": method, "ratio": error / errors[task, alone, method]}
        for (task, teachers, method), error in errors.items()
        if (task, alone := teachers.partition("+")[0], method) in errors
    ]
    harness.write("noise_dimensions", result)


if __name__ == "__main__":
    main()
