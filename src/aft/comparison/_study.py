"""What is trained for one cell, in which order, and what is chosen."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aft.comparison._problem_spec import Cell
from aft.comparison._training_spec import Choice, Job
from aft.comparison._journal import Row
from aft.errors import NonFiniteError

#: Trainings that each method may spend on its choices, fine-tuning too.
TRIALS = 6
#: Of the trainings that choices are made by: none of the seeds that are compared.
SEARCH_SEED = 1000
#: Learning rates tried, as multiples of the recipe's.
RATES = (1.0, 1 / 3, 3.0)
#: Lengths, as shares of the budget: the rates are tried at the first, the others at the best rate.
LENGTHS = (0.5, 0.25, 1.0)
#: Weight decay tried last.
DECAY = 0.1
#: Strengths: the two in the middle of each form first, then the neighbour of the better one.
STRENGTHS: dict[str, tuple[float, float, float, float]] = {
    "balanced": (0.3, 1.0, 3.0, 10.0),
    "raw": (3.0, 10.0, 30.0, 100.0),
}

#: Gives jobs, receives a row for each.
Plan = Generator[list[Job], list[Row], None]


@dataclass
class Study:
    """The trainings of a cell: fine-tuning's search, the strength of every other method at what it chose, then the seeds.

    Every method may spend `TRIALS` trainings on its choices, with one seed that is not among those compared, and chooses by the
    loss on validation samples. Fine-tuning chooses rate, steps and decay with them; its choice is everybody's starting point, and
    so is its best trial: a method that beats it with no strength is trained without one.

    Attributes:
        cell: The task.
        methods: Their names; fine-tuning is always among them.
        seeds: How many to compare, from 0 on.
        budget: Optimiser steps that a training may take.
        options: Options of objectives, by method.
        lr: The recipe's learning rate, or the user's.
        weight_decay: The same.
        fixed: Which of ``lr``, ``steps``, ``weight_decay``, ``beta`` and ``strength`` the user has fixed, with their values.
        choices: What was chosen, by method, as it becomes known.
        trials: Rows of the search, by method.
        finals: Rows of the compared trainings, by method, a seed each.
    """

    cell: Cell
    methods: Sequence[str]
    seeds: int
    budget: int
    lr: float
    weight_decay: float
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    trials: dict[str, list[Row]] = field(default_factory=dict)
    finals: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        others = [method for method in self.methods if method != "finetune"]
        self.methods = ("finetune", *others)

    def size(self) -> int:
        """The most trainings that it can take."""
        return len(self.methods) * (TRIALS + self.seeds)

    def plan(self) -> Plan:
        """Give the jobs that can run next, until none is left."""
        free = [name for name in ("lr", "steps", "weight_decay") if name not in self.fixed]
        lengths = [max(1, round(self.budget * share)) for share in LENGTHS] if "steps" in free else [self.budget]
        start = Choice(steps=lengths[0], lr=self.lr, weight_decay=self.weight_decay)
        tried = [start] if "lr" not in free else [replace(start, lr=self.lr * factor) for factor in RATES]
        yield from self._try("finetune", tried)
        if len(lengths) > 1:
            best = self._best("finetune")
            yield from self._try("finetune", [replace(best, steps=steps) for steps in lengths[1:]])
        if "weight_decay" in free:
            yield from self._try("finetune", [replace(self._best("finetune"), weight_decay=DECAY)])
        plain = self.choices["finetune"] = self._best("finetune")
        others = [method for method in self.methods if method != "finetune"]
        yield from self._try_all({method: self._first(plain) for method in others})
        yield from self._try_all({method: self._second(method, plain) for method in others})
        for method in others:
            self.choices[method] = self._best(method, self.trials["finetune"])
        jobs = {
            (method, seed): self._job(method, self.choices[method], seed, "final")
            for method in self.methods
            for seed in range(self.seeds)
        }
        rows = yield list(jobs.values())
        for (method, _), row in zip(jobs, rows, strict=True):
            self.finals.setdefault(method, []).append(row)

    def _first(self, plain: Choice) -> list[Choice]:
        beta, form = self.fixed.get("beta"), self.fixed.get("strength")
        forms = list(STRENGTHS) if form is None else [form]
        if beta is not None:
            return [replace(plain, form=form or "raw", beta=beta)] if beta else []
        return [replace(plain, form=form, beta=STRENGTHS[form][place]) for form in forms for place in (1, 2)]

    def _second(self, method: str, plain: Choice) -> list[Choice]:
        """On each form's grid, the neighbour of the better one of the two in the middle."""
        if "beta" in self.fixed:
            return []
        losses = {(row["choice"]["form"], row["choice"]["beta"]): _loss(row) for row in self.trials[method]}
        further = []
        for form in dict.fromkeys(form for form, _ in losses):
            low, below, above, high = STRENGTHS[form]
            beta = high if losses[form, above] < losses[form, below] else low
            further.append(replace(plain, form=form, beta=beta))
        return further

    def _job(self, method: str, choice: Choice, seed: int, part: Any) -> Job:
        return Job.of(self.cell.name, method, choice, seed, part, dict(self.options.get(method, {})))

    def _try(self, method: str, choices: list[Choice]) -> Plan:
        yield from self._try_all({method: choices})

    def _try_all(self, choices: Mapping[str, list[Choice]]) -> Plan:
        jobs = [
            (method, self._job(method, choice, SEARCH_SEED, "trial"))
            for method in choices
            for choice in choices[method]
        ]
        rows = yield [job for _, job in jobs]
        for (method, _), row in zip(jobs, rows, strict=True):
            self.trials.setdefault(method, []).append(row)

    def _best(self, method: str, others: Sequence[Row] = ()) -> Choice:
        rows = [row for row in [*others, *self.trials.get(method, [])] if math.isfinite(_loss(row))]
        if not rows:
            raise NonFiniteError(
                f"plain fine-tuning must converge before methods are compared; the loss of every trial on {self.cell.name!r} "
                "became NaN or infinite; lower --lr"
            )
        return Choice(**min(rows, key=_loss)["choice"])


def _loss(row: Row) -> float:
    value = row["validation"]["loss"]
    return math.inf if value is None else float(value)
