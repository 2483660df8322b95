"""Does the search choose better with unlabelled validation samples? Its regret on sentences that it does not see.

For movie polarity with few labels, every beta of the grids is tried. Two rules choose one of the trials: the loss on the labelled
validation samples alone, and the loss on these and on unlabelled samples with the predictions of the teachers' probe as labels. The
regret of a choice is its error on thousands of other sentences, less that of the best trial. The claims' test split plays no part.
Finished trials are kept in ``benchmarks/results/search.jsonl``, and an interrupted run resumes. The last line is one JSON object.
"""

import json
import statistics
from pathlib import Path
from typing import Any

from aft.core import append_jsonl, read_jsonl
from aft.evaluation import measure
from aft.runs import HParams
from aft.training import BETAS, SEARCH_SEED, Problem, TrainConfig, fit
from text_students import fold_of, teacher

ROWS = Path(__file__).parent / "results" / "search.jsonl"
STUDENTS, METHODS = ("aft:ngrams", "aft:static"), ("aft", "probe-kd")
LABELLED, FOLDS = (250, 1000), 3


def trials(student: str, labelled: int, number: int) -> None:
    """Run the trials of one task that the journal does not have yet."""
    store = teacher()
    known = {row["key"] for row in read_jsonl(ROWS)}
    problem = Problem.build(fold_of(number, labelled), student, [store], TrainConfig())
    plain = problem.default_hparams(problem.config)
    grid = [("finetune", plain)]
    grid += [
        (method, HParams(plain.lr, plain.steps, plain.weight_decay, weighting, beta))
        for method in METHODS
        for weighting, betas in BETAS.items()
        for beta in betas
    ]
    for method, hparams in grid:
        key = f"{student} {labelled} {number} {method} {hparams}"
        if key in known:
            continue
        result = fit(problem, hparams, SEARCH_SEED, method=method, positions=problem.search_train)
        logits = problem.test_logits(result.student)
        assert logits is not None
        loss, error, pooled = problem.measure_search(result.student)
        row = {
            "key": key, "task": f"{student} {labelled} {number}", "method": method, "loss": loss, "validation_error": error,
            "pooled_loss": pooled, "probe_loss": problem.probe_loss,
            "error": measure(problem.targets, logits, problem.test_labels).error,
        }  # fmt: skip
        append_jsonl(ROWS, row)
        print(row, flush=True)


def regrets(rows: list[dict[str, Any]], criterion: str) -> list[float]:
    """The regret of a criterion for every task and method, in points."""
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        for method in METHODS:
            own = [row for row in rows if row["task"] == task and row["method"] in ("finetune", method)]
            chosen = min(own, key=lambda row: row[criterion])
            found.append(100 * (chosen["error"] - min(row["error"] for row in own)))
    return found


if __name__ == "__main__":
    for labelled in LABELLED:
        for number in range(FOLDS):
            for student in STUDENTS:
                trials(student, labelled, number)
    rows = list(read_jsonl(ROWS))
    result = {}
    for name, criterion in (("labels", "loss"), ("labels_and_probe", "pooled_loss")):
        found = regrets(rows, criterion)
        result[name] = {
            "mean": round(statistics.mean(found), 3),
            "largest": round(max(found), 2),
            "choices": len(found),
        }
    print(json.dumps(result))
