"""The schema of ``comparison.json``.

Errors are shares of samples (0.36 is 36 %), or for regression in the unit of the label. Times are in seconds.
Intervals are 95 % intervals.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from aft.core import write_json
from aft.errors import RunError
from aft.results._document import FORMAT, read_document
from aft.results._fields import READING, Count, Descriptive, JsonObject, Measurement, Record, Text
from aft.results._method_result import MethodResult


class Task(Record):
    """What was learnt.

    Attributes:
        kind: Kind of task.
        error_name: Name of the error that is compared.
        classes: Names of the classes, in the order of the confusion matrix; empty for regression.
        samples: Number of samples, by split or kind: ``labelled``, ``unlabelled``, ``validation``, ``test``.
        source: Where the samples came from, and in which columns.
    """

    kind: Literal["classification", "multilabel", "regression"]
    error_name: Text = "error"
    classes: tuple[Text, ...] = ()
    samples: dict[Text, Count | None] = Field(default_factory=dict)
    source: JsonObject = Field(default_factory=dict)


class Student(Record):
    """The model that was trained.

    Attributes:
        name: Its name.
        parameters: Number of parameters.
        bytes: Size of its weights on disk.
        latency_ms: Milliseconds for one sample.
        throughput: Samples per second, in batches.
    """

    name: Text = "student"
    parameters: Count | None = None
    bytes: Count | None = None
    latency_ms: Measurement = None
    throughput: Measurement = None


class Teacher(Record):
    """A frozen model.

    Attributes:
        name: Name of its feature store.
        dim: Dimension of its features.
        model: Name of the model.
        probe_error: Test error of a linear probe on its features.
        logme: LogME of its features.
    """

    name: Text
    dim: Count | None = None
    model: Text | None = None
    probe_error: Measurement = None
    logme: Measurement = None


#: Classes of the test split are unequal if guessing the most frequent one of the training samples has an error that differs by this
#: much from that on equal classes: it may be the rarer one there.
UNEQUAL = 0.05


class Reference(Record):
    """An error to compare methods with. It is None where it could not be measured.

    Attributes:
        error: The test error.
        low: Lower end of its interval.
        high: Upper end of its interval.
        balanced_error: The error with the same weight for every class; None for other tasks than classification.
    """

    error: Measurement = None
    low: Measurement = None
    high: Measurement = None
    balanced_error: Measurement = None


class Baseline(Reference):
    """A model that needs no trained student.

    Attributes:
        name: Its name.
        what: What it is, in words.
        bytes: Its size.
        latency_ms: Milliseconds for one sample.
        throughput: Samples per second, in batches.
        seconds: Duration of its fit, choices included.
    """

    name: Text
    what: Text = ""
    bytes: Count | None = None
    latency_ms: Measurement = None
    throughput: Measurement = None
    seconds: Measurement = None


class Cost(Record):
    """How long the comparison took.

    Attributes:
        seconds: Sum over all trainings, including those of earlier calls.
        wall_seconds: Wall-clock time of the last call.
        extraction_seconds: Extraction of the teachers' features.
    """

    seconds: Measurement = None
    wall_seconds: Measurement = None
    extraction_seconds: Measurement = None


class Environment(Record):
    """Where the comparison ran.

    Attributes:
        python: Version of Python.
        torch: Version of torch.
        platform: Operating system and architecture.
        threads: Threads per process.
        processes: Trainings that ran at the same time.
    """

    python: Annotated[Text | None, Descriptive] = None
    torch: Annotated[Text | None, Descriptive] = None
    platform: Annotated[Text | None, Descriptive] = None
    threads: Annotated[Count | None, Descriptive] = None
    processes: Annotated[Count | None, Descriptive] = None


class ComparisonResult(Record):
    """The result of a comparison, the content of ``comparison.json``.

    Attributes:
        format: Version of the schema.
        aft: Version of aft.
        task: What was learnt.
        student: The model that was trained.
        teachers: The frozen models.
        seeds: Seeds of the compared trainings.
        methods: A result for each method, in the order in which they were requested.
        probe: Error of a linear probe on the features of all teachers; without an error where it was not measured.
        majority: Error of the best constant prediction.
        baselines: What a user would try before training a student.
        conclusions: What the numbers mean, in sentences.
        cost: How long it took.
        environment: Where it ran.

    Example:
        >>> result = ComparisonResult(task=Task(kind="classification"), methods=[MethodResult(method="finetune", mean=0.36)])
        >>> result.write(Path("comparison.json"))
        >>> ComparisonResult.read(Path("comparison.json")) == result
        True
    """

    format: Literal[1] = FORMAT
    aft: Text | None = None
    task: Task
    student: Student = Student()
    teachers: tuple[Teacher, ...] = ()
    seeds: tuple[int, ...] = ()
    methods: tuple[MethodResult, ...] = Field(min_length=1)
    probe: Reference = Reference()
    majority: Reference = Reference()
    baselines: tuple[Baseline, ...] = ()
    conclusions: tuple[Text, ...] = ()
    cost: Cost = Cost()
    environment: Environment = Environment()

    @classmethod
    def read(cls, path: Path) -> "ComparisonResult":
        """Read a result.

        Args:
            path: The file.

        Returns:
            The result.

        Raises:
            RunError: The file is damaged, has another format, or has no finished method.
        """
        document = read_document(path)
        try:
            return cls.model_validate(document, context=READING)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part)[:40] for part in first["loc"])
            raise RunError(
                f"a comparison's result must match the schema of format {FORMAT}; {str(path)!r} does not at {where!r} "
                f"({first['msg']}); run aft compare again"
            ) from error

    def write(self, path: Path) -> None:
        """Write the result atomically.

        Args:
            path: The file. One that exists is replaced.
        """
        write_json(path, self.model_dump(mode="json"))

    @property
    def unequal_classes(self) -> bool:
        """Whether some classes have so many more test samples than others that the error says little about the others."""
        error, balanced = self.majority.error, self.majority.balanced_error
        return error is not None and balanced is not None and abs(balanced - error) > UNEQUAL

    @property
    def finetune(self) -> MethodResult | None:
        """The result of fine-tuning, with which the others are compared."""
        return next((result for result in self.methods if result.method == "finetune"), None)

    @property
    def best(self) -> MethodResult | None:
        """The result with the lowest error, fine-tuning excluded."""
        others = [result for result in self.methods if result.method != "finetune" and result.error is not None]
        return min(others, key=lambda result: result.error or 0.0, default=None)
