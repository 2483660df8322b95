"""Which method should be the default of ``aft train``? The present one, unless another has a lower validation loss over all tasks.

Lower means by more than two standard errors over the comparisons, since a change of the default should be for more than noise.

It covers the comparisons of the first claim in which every method was searched, and one of their pairs of task and student with other
numbers of labels. Test data plays no part.
"""

import better_than_alternatives
import harness
import scarce_labels

from aft.objectives import DEFAULT_METHOD

METHODS = better_than_alternatives.METHODS


def main() -> None:
    """Run the studies and write the result."""
    arguments = harness.parse(__doc__)
    studies = {study.name: study for study in better_than_alternatives.studies() if set(METHODS) <= set(study.methods)}
    studies |= {study.name: study for study in scarce_labels.studies().values() if study.name not in studies}
    result = harness.run(
        "One method is the best choice where nothing is known.", list(studies.values()), arguments, tested=False
    )
    complete = result["_studies"]
    unlabelled = [study for study in complete if study.name.endswith("unlabelled")]
    result["validation_loss_ratio"] = harness.validated(complete, METHODS)
    result["labelled_alone"] = harness.validated([study for study in complete if study not in unlabelled], METHODS)
    result["with_unlabelled"] = harness.validated(unlabelled, METHODS)
    if result["validation_loss_ratio"]:
        result["behind_best"] = harness.behind(complete, next(iter(result["validation_loss_ratio"])), METHODS)
    result["studies"] = len(complete)
    result["best"], result["default"] = next(iter(result["validation_loss_ratio"]), None), DEFAULT_METHOD
    harness.write("default_method", result)


if __name__ == "__main__":
    main()
