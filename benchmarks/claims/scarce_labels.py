"""What are unlabelled samples worth, and to which method? A question beyond the paper.

250 to 2,000 movie sentences with their polarity, with and without the rest of the sentences, unlabelled; every method.
"""

import harness
import tasks

from aft.comparison import Study

METHODS = ("aft", "kd", "rkd", "ft", "b-tuning", "probe-kd", "sp", "cka", "aft+probe-kd", "kd+probe-kd", "sp+probe-kd")
SEEDS = 3
LABELS = (1000, 250, 2000, 500)


def studies() -> dict[str, Study]:
    """Studies by the number of labels, and whether the other samples are used without theirs."""
    student = tasks.student("polarity", "static")
    usual = tasks.TASKS["polarity"].labelled
    return {
        f"{labelled}/unlabelled" if unlabelled else str(labelled): tasks.make_study(
            "polarity", student, METHODS, seeds=SEEDS,
            # With the task's own number of labels, the study is the first claim's and shares its rows.
            variation=tasks.Variation(None if labelled == usual else labelled, unlabelled),
        )
        for labelled in LABELS
        for unlabelled in (True, False)
    }  # fmt: skip


def main() -> None:
    """Run it."""
    arguments = harness.parse(__doc__)
    found = studies()
    result = harness.run("Unlabelled samples are worth most where labels are few.", list(found.values()), arguments)
    names = {study.name: name for name, study in found.items()}
    for row in result["rows"]:
        place = [row["task"], row["student"], row["teachers"], row["variation"]]
        row["variation"] = names["/".join(part for part in place if part)]
    result["normalised_error"] = {
        names[study.name]: harness.averaged([study], study.methods) for study in result["_studies"]
    }
    harness.write("scarce_labels", result)


if __name__ == "__main__":
    main()
