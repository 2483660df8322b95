"""What are samples without a label worth, and to which method? A question beyond the paper.

250 to 2,000 movie sentences with their polarity, with and without the rest of the sentences, unlabelled; every method.
"""

import harness
import tasks

METHODS = ("aft", "kd", "rkd", "ft", "b-tuning", "probe-kd", "sp", "cka", "aft+probe-kd", "kd+probe-kd", "sp+probe-kd")
SEEDS = 3
LABELS = (1000, 250, 2000, 500)


def main() -> None:
    """Run it."""
    arguments = harness.parse(__doc__)
    student = tasks.student("polarity", "static")
    studies = [
        tasks.make_study("polarity", student, METHODS, seeds=SEEDS, variation=tasks.Variation(labelled, unlabelled))
        for labelled in LABELS
        for unlabelled in (True, False)
    ]
    result = harness.run("Samples without a label are worth most where labels are few.", studies, arguments)
    result["normalised_error"] = {
        study.cell.name: harness.averaged([study], study.methods) for study in result["_studies"]
    }
    harness.write("scarce_labels", result)


if __name__ == "__main__":
    main()
