"""Is AFT better than fine-tuning, than every other transfer of similar cost, and than what needs no student at all?

Public tasks with all labels, and with a tenth of them and the other samples without. Quick students are trained by every method,
and slower ones by the most promising. Every method has the same limit of trials in its search, and every comparison holds what a
user would try first.
"""

from collections.abc import Sequence
from typing import Any

import harness
import tasks

from aft.comparison import Study
from aft.objectives import DEFAULT_METHOD

METHODS = ("aft", "kd", "rkd", "ft", "b-tuning", "probe-kd", DEFAULT_METHOD)
#: Methods for students whose training takes a minute or more: all methods for all of them would take days of two cores.
FEW = ("aft", "probe-kd", DEFAULT_METHOD)
TEXTS = tuple(name for name, task in tasks.TASKS.items() if task.modality == "text")
BOTH = (tasks.TENTH, tasks.Variation())
#: Students with their tasks, variations, methods and seeds; the fastest first. Slow students have few tasks: a training takes
#: minutes of a core.
GRID = (
    ("ngrams", TEXTS, BOTH, METHODS, 5),
    ("transformer", ("trec",), (tasks.TENTH,), FEW, 3),
    ("mobilenet", ("caltech101", "cifar10"), (tasks.TENTH,), FEW, 3),
    ("minilm2", ("trec", "cola"), (tasks.TENTH,), FEW, 3),
    ("resnet", ("cifar10",), (tasks.TENTH,), FEW, 3),
)


def studies() -> list[Study]:
    """One study per student, task and variation."""
    return [
        tasks.make_study(task, student, methods, seeds=seeds, variation=variation)
        for student, names, variations, methods, seeds in GRID
        for variation in variations
        for task in names
    ]


def main() -> None:
    """Run the studies and write the result."""
    arguments = harness.parse(__doc__)
    result = harness.run(
        "AFT gives a lower test error than fine-tuning and than every other transfer of similar cost.",
        studies(),
        arguments,
    )
    harness.write("better_than_alternatives", {**result, **averages(result["_studies"])})


def averages(complete: Sequence[Study]) -> dict[str, Any]:
    """Return the averages over complete studies: those over the ones in which every method took part, and those by student."""
    whole = [study for study in complete if set(METHODS) <= set(study.methods)]
    return {
        "normalised_error": harness.averaged(whole, ("finetune", *METHODS)),
        "against_best_baseline": harness.averaged(whole, ("finetune", *METHODS), against="best"),
        "validation_loss_ratio": harness.validated(whole, METHODS),
        "groups": _groups(complete),
    }


def _groups(complete: Sequence[Study]) -> list[dict[str, Any]]:
    """Errors relative to the best baseline without a teacher, by student and by whether all samples have a label."""
    groups: dict[tuple[str, str], list[Study]] = {}
    for study in complete:
        _, student, _, *variation = study.name.split("/")
        groups.setdefault((student, "/".join(variation)), []).append(study)
    return [
        {
            "student": student, "variation": variation, "studies": len(studies),
            "against_best_baseline": harness.averaged(studies, studies[0].methods, against="best"),
        }
        for (student, variation), studies in groups.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main()
