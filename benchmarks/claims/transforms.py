"""Which options beyond the paper help, and which methods? Judged on validation data alone.

Each is tried with every method that supports it, with the same six trials for its beta: teacher features whitened or weighted
by how well they separate the labels, a queue of past features, the sum with probe-kd, several layers of the teacher as teachers.
"""

import math
import statistics

import harness
import tasks

from aft.comparison import Study

METHODS = ("aft", "kd", "rkd", "sp", "cka", "ft", "b-tuning", "probe-kd")
FITTED = tuple(f"{name}@{option}" for name in METHODS if name != "probe-kd" for option in ("whiten", "separability"))
# RKD compares triples: with a queue of 256 a step costs a hundred times as much.
QUEUED = tuple(f"{name}@queue" for name in ("aft", "sp", "cka"))
JOINED = tuple(f"{name}+probe-kd" for name in METHODS if name != "probe-kd")
PROBLEMS = (("polarity", "static"), ("rating", "static"), ("emoji-google", "vit"))
#: For several layers as teachers: the teacher with two of its earlier ones.
LAYERS = {
    "polarity": ("mpnet", "mpnet-layer10", "mpnet-layer6"),
    "rating": ("mpnet", "mpnet-layer10", "mpnet-layer6"),
    "emoji-google": ("lite2", "lite2-block14", "lite2-block7"),
}


def studies() -> list[Study]:
    """Each task with its teacher and all methods with options; then each with three layers as teachers."""
    methods = (*METHODS, *FITTED, *QUEUED, *JOINED)
    single = [tasks.make_study(task, tasks.student(task, name), methods, seeds=0) for task, name in PROBLEMS]
    layered = [
        tasks.make_study(task, tasks.student(task, name), METHODS, teachers=LAYERS[task], seeds=0)
        for task, name in PROBLEMS
    ]
    return [*single, *layered]


def main() -> None:
    """Run it."""
    arguments = harness.parse(__doc__)
    asked = studies()
    single, layered = asked[: len(PROBLEMS)], asked[len(PROBLEMS) :]
    result = harness.run("Options beyond the paper lower the validation loss.", asked, arguments, tested=False)
    ended = {study.name: study for study in result["_studies"]}
    rows = [
        {
            "method": method, "option": option or "none", "studies": len(ratios),
            "loss_ratio": math.exp(statistics.mean(math.log(ratio) for ratio in ratios.values())), "ratios": ratios,
        }
        for method in METHODS
        for option in ("", "@separability", "@whiten", "@queue", "+probe-kd", "layers")
        if (ratios := _ratios(ended, single, layered, method, option))
    ]  # fmt: skip
    result["rows"] = rows
    harness.write("transforms", result)


def _ratios(
    ended: dict[str, Study], single: list[Study], layered: list[Study], method: str, option: str
) -> dict[str, float]:
    """Best validation loss with the option over fine-tuning's best, by task and student."""
    found: dict[str, float] = {}
    for one, many in zip(single, layered, strict=True):
        study = many if option == "layers" else one
        name = method if option == "layers" else f"{method}{option}"
        if study.name in ended and name in study.found.trials:
            found["/".join(one.name.split("/")[:2])] = harness.lowest_loss(
                study.found.trials[name]
            ) / harness.lowest_loss(study.found.trials["finetune"])
    return found


if __name__ == "__main__":
    main()
