"""Which remedies beyond the paper help, and whom? Judged on validation data alone.

Each is offered to every method that can take it, with the same six trials for its strength: teacher features whitened or weighed
by how well they separate the labels, a queue of past features, the sum with probe-kd, several layers of the teacher as teachers.
"""

import math
import statistics

import harness
import tasks

from aft.comparison import Study

METHODS = ("aft", "kd", "rkd", "sp", "cka", "ft", "b-tuning", "probe-kd")
FITTED = tuple(f"{name}@{remedy}" for name in METHODS if name != "probe-kd" for remedy in ("whiten", "separate"))
# RKD compares triples: with a queue of 256 a step costs a hundred times as much.
QUEUED = tuple(f"{name}@queue" for name in ("aft", "sp", "cka"))
JOINED = tuple(f"{name}+probe-kd" for name in METHODS if name != "probe-kd")
CELLS = (("polarity", "static"), ("rating", "static"), ("emoji-google", "vit"))
#: For the remedy of several layers: the teacher with two of its earlier ones.
LAYERS = {
    "polarity": ("mpnet", "mpnet-layer10", "mpnet-layer6"),
    "rating": ("mpnet", "mpnet-layer10", "mpnet-layer6"),
    "emoji-google": ("lite2", "lite2-block14", "lite2-block7"),
}


def studies() -> list[Study]:
    """Each cell with its teacher and all methods with remedies; then each with three layers as teachers."""
    methods = (*METHODS, *FITTED, *QUEUED, *JOINED)
    single = [tasks.make_study(task, tasks.student(task, name), methods, seeds=0) for task, name in CELLS]
    layered = [
        tasks.make_study(task, tasks.student(task, name), METHODS, teachers=LAYERS[task], seeds=0)
        for task, name in CELLS
    ]
    return [*single, *layered]


def main() -> None:
    """Run it."""
    arguments = harness.parse(__doc__)
    asked = studies()
    single, layered = asked[: len(CELLS)], asked[len(CELLS) :]
    result = harness.run("Remedies beyond the paper lower the validation loss.", asked, arguments, tested=False)
    ended = {study.cell.name: study for study in result["_studies"]}
    rows = [
        {
            "method": method, "remedy": remedy or "none", "studies": len(ratios),
            "loss_ratio": math.exp(statistics.mean(math.log(ratio) for ratio in ratios.values())), "ratios": ratios,
        }
        for method in METHODS
        for remedy in ("", "@separate", "@whiten", "@queue", "+probe-kd", "layers")
        if (ratios := _ratios(ended, single, layered, method, remedy))
    ]  # fmt: skip
    result["rows"] = rows
    harness.write("remedies", result)


def _ratios(
    ended: dict[str, Study], single: list[Study], layered: list[Study], method: str, remedy: str
) -> dict[str, float]:
    """Best validation loss with the remedy over fine-tuning's best, by task and student."""
    found: dict[str, float] = {}
    for one, many in zip(single, layered, strict=True):
        study = many if remedy == "layers" else one
        name = method if remedy == "layers" else f"{method}{remedy}"
        if study.cell.name in ended and name in study.trials:
            found["/".join(one.cell.name.split("/")[:2])] = harness.best_loss(study.trials[name]) / harness.best_loss(
                study.trials["finetune"]
            )
    return found


if __name__ == "__main__":
    main()
