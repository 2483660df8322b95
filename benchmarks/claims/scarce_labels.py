"""What are unlabelled samples worth, and to which method? This question goes beyond the paper.

Every method trains on 250 to 2,000 labelled movie sentences, with and without all other sentences as unlabelled samples.
"""

import better_than_alternatives
import harness
import tasks

from aft.comparison import Study

METHODS = better_than_alternatives.METHODS
SEEDS = 3
LABELS = (250, 1000, 2000)


def studies() -> dict[str, Study]:
    """Return studies by name: the number of labels, followed by ``/unlabelled`` if the other samples are used."""
    return {
        f"{labelled}/unlabelled" if unlabelled else str(labelled): tasks.make_study(
            "polarity", "ngrams", METHODS, seeds=SEEDS, variation=tasks.Variation(labelled, unlabelled)
        )
        for labelled in LABELS
        for unlabelled in (True, False)
    }  # fmt: skip


def main() -> None:
    """Run the studies and write the result."""
    arguments = harness.parse(__doc__)
    by_name = studies()
    result = harness.run("Unlabelled samples are worth most where labels are few.", list(by_name.values()), arguments)
    names = {study.name: name for name, study in by_name.items()}
    result["normalised_error"] = {
        names[study.name]: harness.averaged([study], study.methods) for study in result["_studies"]
    }
    harness.write("scarce_labels", result)


if __name__ == "__main__":
    main()
