"""Do better teachers give better students, and with which method?

Each family consists of teachers of different quality, many of them layers of one model. Every teacher of a family teaches the
same student the same task, with a tenth of the labels. The student's error is compared with the error of a linear probe on the teacher.
"""

import harness
import numpy as np
import tasks

from aft.comparison import Study

METHODS = {"ngrams": ("aft", "kd", "probe-kd"), "mobilenet": ("aft", "probe-kd")}
SEEDS = 3
FAMILIES = {
    ("polarity", "ngrams"): (
        "mpnet", "mpnet-layer10", "mpnet-layer8", "mpnet-layer6", "mpnet-layer4", "mpnet-layer2",
        "minilm", "minilm-layer4", "minilm-layer2",
    ),
    ("caltech101", "mobilenet"): ("lite2", "lite1", "lite0"),
}  # fmt: skip


def studies() -> list[Study]:
    """One study per teacher of each family."""
    return [
        tasks.make_study(task, student, METHODS[student], teachers=(teacher,), seeds=SEEDS, variation=tasks.TENTH)
        for (task, student), teachers in FAMILIES.items()
        for teacher in teachers
    ]


def main() -> None:
    """Run the studies and write the result."""
    arguments = harness.parse(__doc__)
    result = harness.run("Better teachers give better students.", studies(), arguments)
    result["relation"] = {
        f"{task}/{student}": {method: _relation(result["rows"], task, student, method) for method in METHODS[student]}
        for task, student in FAMILIES
    }
    harness.write("better_teachers_better_students", result)


def _relation(rows: list[dict[str, object]], task: str, student: str, method: str) -> dict[str, float] | None:
    """Correlation of the student's error with the probe's, and slope of the student's error as a function of the probe's."""
    selected = [row for row in rows if (row["task"], row["student"]) == (task, student)]
    probes = {row["teachers"]: row["error"] for row in selected if row["method"] == "probe"}
    pairs = [(probes[row["teachers"]], row["error"]) for row in selected if row["method"] == method]
    if len(pairs) < 3:
        return None
    x, y = np.array(pairs, dtype=float).T
    if np.ptp(y) < 1e-9:  # the search chose beta 0 with every teacher
        return {"teachers": len(pairs), "correlation": 0.0, "slope": 0.0}
    slope = float(np.polyfit(x, y, 1)[0])
    return {"teachers": len(pairs), "correlation": float(np.corrcoef(x, y)[0, 1]), "slope": slope}


if __name__ == "__main__":
    main()
