"""What does the search lose? The regret of its choices on sentences that it does not see.

For movie polarity with few labels, a grid of learning rates and betas is trained for several students and methods, and the search
chooses, by its own trials alone. Its regret is the error of its choice on thousands of other sentences, less the lowest error in the
grid. Three rules are compared. That of ``aft compare`` climbs in learning rate and beta, stops trials that fall behind, and counts
unlabelled samples with the probe's predictions as labels. The thrifty one of ``aft train`` also stops trials that are not ahead, and
judges betas by a third of their steps. The earlier one took fine-tuning's learning rate, tried three betas, and counted the labelled
samples alone. The claims' test split plays no part.

Finished trials are kept in ``benchmarks/results/search.jsonl``, and an interrupted run resumes. The last line is one JSON object.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aft.core import append_jsonl, read_jsonl
from aft.evaluation import measure
from aft.runs import HParams, Trial
from aft.training import (
    SEARCH_SEED,
    EarlyCheck,
    Problem,
    SearchSpace,
    TrainConfig,
    TrialRequest,
    fit,
    run_search,
    search,
)
from text_students import fold_of, students, teacher

ROWS = Path(__file__).parent / "results" / "search.jsonl"
STUDENTS, METHODS = ("ngrams", "static", "static-mpnet"), ("aft", "probe-kd")
LABELLED = (250, 1000)
#: Multiples of the student's usual learning rate, and betas.
RATES, BETAS = (1 / 3, 1.0, 3.0, 9.0), (1.0, 3.0, 10.0, 30.0)


class Table:
    """The trials of one task: of one student and number of labels.

    Args:
        student: Short name of the student.
        labelled: Number of labels.
    """

    def __init__(self, student: str, labelled: int) -> None:
        self.name = f"{student} {labelled}"
        self.problem = Problem.build(fold_of(0, labelled), students()[student], [teacher(0)], TrainConfig())
        self.space = self.problem.search_space(self.problem.config)
        self.rows: dict[tuple[str, HParams], dict[str, Any]] = {}
        for row in read_jsonl(ROWS):
            if row["task"] == self.name:
                self.rows[row["method"], HParams(**row["hparams"])] = row

    def row(self, method: str, hparams: HParams) -> dict[str, Any]:
        """A trial with its losses on validation samples, early and in the end, and its error on other sentences."""
        if (method, hparams) not in self.rows:
            early: list[tuple[float, float, float | None]] = []

            def keep_going(student: Any) -> bool:
                early.append(self.problem.measure_search(student))
                return True

            check = EarlyCheck(max(1, hparams.steps // 3), keep_going)
            result = fit(
                self.problem,
                hparams,
                SEARCH_SEED,
                method=method,
                positions=self.problem.search_train,
                early_check=check,
            )
            logits = self.problem.test_logits(result.student)
            assert logits is not None
            loss, _, pooled = self.problem.measure_search(result.student)
            row = {
                "task": self.name, "method": method, "hparams": asdict(hparams), "loss": loss, "pooled_loss": pooled,
                "early_loss": early[0][0], "early_pooled_loss": early[0][2],
                "error": measure(self.problem.targets, logits, self.problem.test_labels).error,
            }  # fmt: skip
            append_jsonl(ROWS, row)
            print(row, flush=True)
            self.rows[method, hparams] = row
        return self.rows[method, hparams]

    def at(self, method: str, rate: float, beta: float = 0.0) -> dict[str, Any]:
        """The trial at a place of the grid."""
        steps = self.space.objective_steps if beta else self.space.steps
        return self.row(method, HParams(self.space.lr * rate, steps, self.space.weight_decay, "balanced", beta))

    def answer(self, request: TrialRequest) -> Trial:
        """What the search would have been told."""
        row = self.row(request.method, request.hparams)
        early = row["early_pooled_loss" if request.pooled else "early_loss"]
        stopped = early > request.max_early_loss
        return Trial(
            request.method, request.hparams, row["loss"], 0.0, row["early_loss"], 0.0, stopped,
            pooled_loss=row["pooled_loss"], early_pooled_loss=row["early_pooled_loss"],
        )  # fmt: skip


def climb(table: Table, method: str, space: SearchSpace) -> tuple[float, float]:
    """Error of what the search chooses, and the steps of its trials as a multiple of those of the chosen training."""
    ran: list[Trial] = []

    def run(request: TrialRequest) -> Trial:
        ran.append(table.answer(request))
        return ran[-1]

    with TemporaryDirectory() as folder:
        chosen = run_search(search([method], space), run, Path(folder) / "trials.jsonl").chosen[method]
    steps = sum(trial.hparams.steps / (3 if trial.stopped else 1) for trial in ran)
    return table.row(method if chosen.beta else "finetune", chosen)["error"], steps / chosen.steps


def three_betas(table: Table, method: str) -> float:
    """Error of what the earlier search chose."""
    plain = min(RATES, key=lambda rate: table.at("finetune", rate)["loss"])
    rivals = [table.at("finetune", plain), *(table.at(method, plain, beta) for beta in BETAS[:3])]
    error: float = min(rivals, key=lambda row: row["loss"])["error"]
    return error


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean and largest."""
    return {"mean": round(statistics.mean(values), 2), "largest": round(max(values), 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--labelled", nargs="+", type=int, default=LABELLED, help="a part of all, to run parts side by side"
    )
    chosen = parser.parse_args()
    regrets: dict[str, list[float]] = {"earlier": [], "climb_on_labels": [], "climb": [], "thrifty": []}
    costs: dict[str, list[float]] = {"climb": [], "thrifty": []}
    for labelled in chosen.labelled:
        for student in STUDENTS:
            table = Table(student, labelled)
            plain = [table.at("finetune", rate)["error"] for rate in RATES]
            for method in METHODS:
                grid = [table.at(method, rate, beta)["error"] for rate in RATES for beta in BETAS]
                on_labels, _ = climb(table, method, replace(table.space, probe_loss=None))
                found = {"earlier": three_betas(table, method), "climb_on_labels": on_labels}
                for rule in costs:
                    found[rule], cost = climb(table, method, replace(table.space, thrifty=rule == "thrifty"))
                    costs[rule].append(cost)
                for rule, value in found.items():
                    regrets[rule].append(100 * (value - min(*plain, *grid)))
                print(table.name, method, {rule: values[-1] for rule, values in regrets.items()}, flush=True)
    print(
        json.dumps({
            **{rule: summary(values) for rule, values in regrets.items()},
            "cost_in_final_trainings": {rule: summary(values) for rule, values in costs.items()},
            "choices": len(costs["climb"]),
        })
    )  # fmt: skip
