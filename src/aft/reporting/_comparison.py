"""What a comparison holds, as far as the page shows it.

``aft compare`` may write more than this; what is not named here is ignored, and what need not be there has a default.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

FORMAT = 1

# Far beyond any error or time, and far from where adding two of them overflows.
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e30, le=1e30)]
# Beyond any count that is one, and small enough to be printed.
Count = Annotated[int, Field(ge=0, le=10**15)]


def _measured(value: Any) -> Any:
    return [item for item in value if item is not None] if isinstance(value, list) else value


#: Numbers of which some may be missing, as a diverged seed's error is.
Numbers = Annotated[list[Number], BeforeValidator(_measured)]


class Part(BaseModel):
    """A part of the document; null is as good as absent."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


class Task(Part):
    """What was learnt."""

    kind: Literal["classification", "multilabel", "regression"]
    error_name: str = "error"
    classes: list[str] = []
    samples: dict[str, Count | None] = {}
    source: dict[str, Any] = {}


class Student(Part):
    """The small model."""

    name: str = "student"
    parameters: Count | None = None
    bytes: Count | None = None
    latency_ms: Number | None = None
    throughput: Number | None = None


class Teacher(Part):
    """A frozen model."""

    name: str
    dim: Count | None = None
    model: str | None = None
    probe_error: Number | None = None
    logme: Number | None = None


class Reference(Part):
    """An error to compare with: the probe's, or that of always answering the most common class."""

    error: Number | None = None
    low: Number | None = None
    high: Number | None = None


class Difference(Part):
    """A method's error minus that of fine-tuning, seed by seed."""

    mean: Number
    low: Number | None = None
    high: Number | None = None
    noise: bool = False


class Curve(Part):
    """The task loss of one seed."""

    seed: int | None = None
    step: list[Number | None] = []
    task_loss: list[Number | None] = []

    @property
    def points(self) -> list[tuple[float, float]]:
        """Steps with their loss, in order, where both are known."""
        pairs = zip(self.step, self.task_loss, strict=False)
        return sorted({x: y for x, y in pairs if x is not None and y is not None}.items())


class Gates(Part):
    """How much of one teacher is used."""

    mean: Number | None = None
    histogram: Numbers = []
    strongest: list[tuple[int, Number]] = []


class Trial(Part):
    """One step of the search for a strength."""

    form: str = "none"
    beta: Number | None = None
    steps: Count | None = None
    lr: Number | None = None
    weight_decay: Number | None = None
    loss: Number | None = None
    error: Number | None = None
    seconds: Number | None = None
    pruned: bool = False


class Row(Part):
    """One method."""

    method: str
    form: str = "none"
    beta: Number | None = None
    steps: Count | None = None
    lr: Number | None = None
    weight_decay: Number | None = None
    errors: Numbers = []
    mean: Number | None = None
    spread: Number | None = None
    low: Number | None = None
    high: Number | None = None
    normalised: Number | None = None
    normalised_low: Number | None = None
    normalised_high: Number | None = None
    gap_closed: Number | None = None
    difference: Difference | None = None
    search_seconds: Number | None = None
    train_seconds: Number | None = None
    metrics: dict[str, Number | None] = {}
    confusion: list[list[Annotated[float, Field(ge=0, le=1e15)]]] | None = None
    curve: list[Curve] = []
    gates: dict[str, Gates] = {}
    trials: list[Trial] = []
    same_as_finetune: bool = False

    @model_validator(mode="after")
    def _square(self) -> "Row":
        if self.confusion is not None and any(len(line) != len(self.confusion) for line in self.confusion):
            raise ValueError("a confusion matrix has as many columns as rows")
        return self

    @property
    def error(self) -> float | None:
        """Mean over the seeds."""
        if self.mean is None and self.errors:
            return sum(self.errors) / len(self.errors)
        return self.mean


class Cost(Part):
    """What all of it took."""

    seconds: Number | None = None
    extraction_seconds: Number | None = None


class Comparison(Part):
    """A whole comparison."""

    format: Literal[1]
    aft: str | None = None
    task: Task
    student: Student = Student()
    teachers: list[Teacher] = []
    seeds: list[int] = []
    rows: list[Row] = Field(min_length=1)
    probe: Reference = Reference()
    majority: Reference = Reference()
    cost: Cost = Cost()
    environment: dict[str, Any] = {}
    words: list[str] = []

    @property
    def finetune(self) -> Row | None:
        """What the others are compared with."""
        return next((row for row in self.rows if row.method == "finetune"), None)

    @property
    def best(self) -> Row | None:
        """The method of the lowest error, fine-tuning left out."""
        others = [row for row in self.rows if row.method != "finetune" and row.error is not None]
        return min(others, key=lambda row: row.error or 0.0, default=None)
