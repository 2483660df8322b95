"""Do several teachers complement each other?

Pairs of teachers, two text models and two image models, are compared with each of the two alone.
"""

from typing import Any

import better_teachers_better_students
import harness
import tasks

from aft.comparison import Study, losses_of
from aft.evaluation import error_of, paired_difference

METHODS = better_teachers_better_students.METHODS
SEEDS = 3
PAIRS = (("polarity", "ngrams", ("mpnet", "minilm")), ("caltech101", "mobilenet", ("lite0", "lite2")))


def studies() -> list[Study]:
    """One study per pair of teachers, and one per single teacher."""
    wanted = {
        (task, student, teachers)
        for task, student, pair in PAIRS
        for teachers in (pair, *((single,) for single in pair))
    }
    return [
        tasks.make_study(task, student, METHODS[student], teachers=teachers, seeds=SEEDS, variation=tasks.TENTH)
        for task, student, teachers in sorted(wanted)
    ]


def main() -> None:
    """Run the studies and write the result."""
    arguments = harness.parse(__doc__)
    result = harness.run("Several teachers complement each other.", studies(), arguments)
    complete = {study.name: study for study in result["_studies"]}
    result["pairs"] = [_pair(complete, *pair) for pair in PAIRS]
    harness.write("teachers_complement", result)


def _pair(complete: dict[str, Study], task: str, student: str, pair: tuple[str, str]) -> dict[str, Any]:
    """Difference of the pair's error from that of the better single teacher. Choosing that one by the test error favours it."""
    both = complete.get(f"{task}/{student}/{'+'.join(pair)}/{tasks.TENTH}")
    singles = {name: complete.get(f"{task}/{student}/{name}/{tasks.TENTH}") for name in pair}
    found: dict[str, Any] = {"task": task, "student": student, "pair": pair, "methods": {}}
    if both is None or None in singles.values():
        return found
    problem = both.problem
    for method in METHODS[student]:
        losses = {
            name: losses_of(problem.targets, problem.test_labels, study.finals[method])
            for name, study in {"both": both, **singles}.items()
            if study is not None
        }
        root = problem.targets.kind == "regression"
        best = min(pair, key=lambda name: error_of(losses[name], root=root))
        difference = paired_difference(losses["both"], losses[best], root=root)
        found["methods"][method] = {"best_single": best, "difference": difference._asdict()}
    return found


if __name__ == "__main__":
    main()
