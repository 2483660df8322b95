"""The schema of a method's result."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from aft.results._fields import Count, Descriptive, Measurement, Measurements, Number, Record, Tally, Text

Weighting = Annotated[Literal["fixed", "balanced"] | None, Descriptive]


class Difference(Record):
    """A method's error minus that of fine-tuning, paired by seed and test sample.

    Attributes:
        mean: The mean difference; negative is better.
        low: Lower end of its interval.
        high: Upper end of its interval.
        noise: Whether the interval contains zero.
    """

    mean: Measurement = None
    low: Measurement = None
    high: Measurement = None
    noise: bool = False


class Curve(Record):
    """The losses of one training.

    Attributes:
        seed: Seed of the training.
        step: Optimiser steps at which the losses were logged.
        task_loss: Task loss at each step.
        objective: Value of the objective at each step; empty for fine-tuning.
    """

    seed: int | None = None
    step: tuple[Measurement, ...] = ()
    task_loss: tuple[Measurement, ...] = ()
    objective: tuple[Measurement, ...] = ()

    @property
    def points(self) -> list[tuple[float, float]]:
        """Pairs of step and task loss where both are known, sorted by step."""
        pairs = zip(self.step, self.task_loss, strict=False)
        return sorted({x: y for x, y in pairs if x is not None and y is not None}.items())


class Gates(Record):
    """The gates of one teacher.

    Attributes:
        mean: Mean of the gates.
        histogram: Number of gates in equal bins between 0 and 1.
        strongest: Pairs of feature index and gate, largest gate first.
    """

    mean: Measurement = None
    histogram: Measurements = ()
    strongest: tuple[tuple[int, Number], ...] = ()


class Trial(Record):
    """One training of the search.

    Attributes:
        weighting: How beta multiplies the objective; None for fine-tuning.
        beta: Weight of the objective; 0 for fine-tuning.
        steps: Optimiser steps.
        lr: Learning rate of the student.
        weight_decay: Weight decay of the student.
        loss: Loss on the validation split, by which trials are ranked unless unlabelled samples count too.
        error: Error on the validation split.
        seconds: Duration.
        stopped: Whether the trial was stopped early or diverged.
        pooled_loss: Loss on labelled and unlabelled validation samples; None without unlabelled ones.
    """

    weighting: Weighting = None
    beta: Measurement = None
    steps: Count | None = None
    lr: Measurement = None
    weight_decay: Measurement = None
    loss: Measurement = None
    error: Measurement = None
    seconds: Measurement = None
    stopped: bool = False
    pooled_loss: Measurement = None


class MethodResult(Record):
    """What one method achieved with the settings that its search chose.

    Attributes:
        method: Name of the method.
        weighting: How beta multiplies the objective; None for fine-tuning.
        beta: Weight of the objective; 0 for fine-tuning.
        steps: Optimiser steps.
        lr: Learning rate of the student.
        weight_decay: Weight decay of the student.
        errors: Test error of each seed.
        mean: Mean of the errors.
        spread: Standard deviation of the errors.
        low: Lower end of the interval of the mean.
        high: Upper end of the interval of the mean.
        balanced_error: Mean error with the same weight for every class; None for other tasks than classification.
        normalised: Error divided by that of fine-tuning.
        normalised_low: Lower end of its interval.
        normalised_high: Upper end of its interval.
        gap_closed: Share of the gap between fine-tuning and the teachers' probe that the method closes.
        difference: Difference from fine-tuning; None for fine-tuning itself.
        same_as_finetune: Whether the search chose beta 0, which is fine-tuning.
        search_seconds: Duration of all trials.
        train_seconds: Median duration of a training.
        metrics: All test metrics by name, means over the seeds.
        confusion: Test samples by true class (rows) and predicted class (columns), summed over the seeds; None for other
            tasks than classification.
        curve: Losses of each seed.
        gates: Gates by teacher, of methods that have them.
        trials: The search.
    """

    method: Text
    weighting: Weighting = None
    beta: Measurement = None
    steps: Count | None = None
    lr: Measurement = None
    weight_decay: Measurement = None
    errors: Measurements = ()
    mean: Measurement = None
    spread: Measurement = None
    low: Measurement = None
    high: Measurement = None
    balanced_error: Measurement = None
    normalised: Measurement = None
    normalised_low: Measurement = None
    normalised_high: Measurement = None
    gap_closed: Measurement = None
    difference: Difference | None = None
    same_as_finetune: bool = False
    search_seconds: Measurement = None
    train_seconds: Measurement = None
    metrics: dict[Text, Measurement] = Field(default_factory=dict)
    confusion: tuple[tuple[Tally, ...], ...] | None = None
    curve: tuple[Curve, ...] = ()
    gates: dict[Text, Gates] = Field(default_factory=dict)
    trials: tuple[Trial, ...] = ()

    @model_validator(mode="after")
    def _confusion_is_square(self) -> "MethodResult":
        if self.confusion is not None and any(len(line) != len(self.confusion) for line in self.confusion):
            raise ValueError("a confusion matrix has as many columns as rows")
        return self

    @property
    def error(self) -> float | None:
        """Mean test error over the seeds."""
        if self.mean is None and self.errors:
            return sum(self.errors) / len(self.errors)
        return self.mean

    def chose(self, trial: Trial) -> bool:
        """Whether a trial had the settings that were chosen."""
        names = ("weighting", "beta", "steps", "lr", "weight_decay")
        return all(getattr(trial, name) == getattr(self, name) for name in names)
