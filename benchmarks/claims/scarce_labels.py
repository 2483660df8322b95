"""What are unlabelled samples worth, and to which method? This question goes beyond the paper.

Every method trains on 250 to 2,000 labelled movie sentences, with and without all other sentences as unlabelled samples.
"""

import harness
import tasks

from aft.comparison import Study

METHODS = ("aft", "kd", "rkd", "ft", "b-tuning", "probe-kd", "sp", "cka", "aft+probe-kd", "kd+probe-kd", "sp+probe-kd")
SEEDS = 3
LABELS = (1000, 250, 2000, 500)


def studies() -> dict[str, Study]:
    """Return studies by name: the number of labels, followed by ``/unlabelled`` if the other samples are used."""
    student = tasks.student("polarity", "static")
    default = tasks.TASKS["polarity"].labelled
    return {
        f"{labelled}/unlabelled" if unlabelled else str(labelled): tasks.make_study(
            "polarity", student, METHODS, seeds=SEEDS,
            # With the task's default number of labels, the study equals that of the first claim and shares its rows.
            variation=tasks.Variation(None if labelled == default else labelled, unlabelled),
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
    for row in result["rows"]:
        parts = [row["task"], row["student"], row["teachers"], row["variation"]]
        row["variation"] = names["/".join(part for part in parts if part)]
    result["normalised_error"] = {
        names[study.name]: harness.averaged([study], study.methods) for study in result["_studies"]
    }
    harness.write("scarce_labels", result)


if __name__ == "__main__":
    main()
