"""The settings of a training."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aft.errors import UsageError, did_you_mean
from aft.objectives import DEFAULT_METHOD

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

#: Settings that say where and how a training runs. They do not change what it learns.
OPERATIONAL = frozenset({"device", "workers", "logger"})


class SharedSettings(TypedDict, total=False):
    """The fields of `TrainConfig` that all methods and seeds of a comparison share, as keyword arguments."""

    beta: Literal["auto"] | float
    weighting: Literal["auto", "fixed", "balanced"]
    task: Literal["auto", "classification", "multilabel", "regression", "ordinal"]
    order: Sequence[str] | None
    steps: int | None
    epochs: float | None
    patience: int | None
    batch_size: int | None
    lr: float | None
    weight_decay: float | None
    warmup: float
    gate_lr: float
    split_seed: int
    unlabelled: Literal["use", "skip", "error"]
    class_weights: Literal["balanced"] | dict[str, float] | None
    label_smoothing: float
    validation_fraction: float
    test_fraction: float
    leakage: Literal["error", "drop"]
    precision: Literal["fp32", "bf16", "fp16"]
    device: str
    workers: int
    logger: Literal["tensorboard", "wandb", "mlflow", "none"]
    objective_batch: Literal["global", "local"]
    augment: Literal["auto", "none", "clean", "views"]
    layer: str | None
    pooling: str | None
    weights: str | None
    prompt: str | None


class TrainSettings(SharedSettings, total=False):
    """The fields of `TrainConfig` as keyword arguments, so that editors complete them and type checkers check them."""

    method: str
    options: dict[str, Any]
    seed: int


class TrainConfig(BaseModel):
    """Settings of a training. None stands for a default that depends on the student and the data.

    Attributes:
        method: Name of the objective, several of them joined by ``+``, or ``finetune``.
        beta: Weight of the objective. ``"auto"`` chooses it on validation data, together with the learning rate, if that is None.
        weighting: How `beta` multiplies the objective: ``"fixed"`` (the paper's constant), ``"balanced"`` (relative to the
            gradient of the task), or ``"auto"``: balanced if `beta` is ``"auto"``, else fixed.
        options: Options of the objective; for a method that joins several, a mapping of options for each.
        task: The kind of task, or ``"auto"`` to infer it from the labels.
        order: Classes of an ordinal task from the lowest to the highest; by default numbers by their values.
        steps: Number of optimiser steps.
        epochs: The same in passes over the training samples, instead of `steps`; without an objective over the labelled ones.
        patience: Stop when the validation loss has not improved for so many epochs, and keep the weights of the best one. The
            validation samples are then never trained on.
        batch_size: Samples per step, over all processes.
        lr: Learning rate of the student.
        weight_decay: Decoupled weight decay of the student.
        warmup: Fraction of the steps over which the learning rate rises.
        gate_lr: Learning rate of the gates.
        seed: Random seed for initial weights and the order of batches.
        split_seed: Random seed for the train/validation/test split.
        unlabelled: What to do with training samples without a label.
        class_weights: ``"balanced"`` weights classes by their inverse frequency; or a weight for each class.
        label_smoothing: Fraction of each label that is spread over all classes.
        validation_fraction: Fraction of the labelled training samples to validate on, if the data has no validation split.
        test_fraction: Fraction of the labelled samples to test on, if the data has no splits; 0 for none.
        leakage: ``"error"`` rejects test samples that are also in training; ``"drop"`` removes them from training.
        precision: Floating-point precision of the forward pass.
        device: ``"auto"``, or a device of torch's: ``"cpu"``, ``"cuda"``, ``"mps"``.
        workers: Number of processes that prepare batches. With 0 the training process does: in a thread during each step where it
            decodes images by itself, else between steps.
        logger: Where losses are logged besides the run's ``metrics.csv``: TensorBoard, Weights & Biases, MLflow or nowhere.
        objective_batch: With several processes: ``"global"`` computes the objective over the batch of all, ``"local"`` over
            each process's own share.
        augment: What training shows the student of each sample. ``"views"``: its views, each with the features that the stores
            hold of it. ``"clean"``: new augmentations at every use, with the features of the sample itself. ``"none"``: always
            the sample itself. ``"auto"``: views if the stores have some, else none.
        layer: Layer of the student to take the features from; its last one by default.
        pooling: How that layer's output becomes one vector.
        weights: The student's initial weights: ``"pretrained"``, ``"random"``, or a file.
        prompt: Text to put before every input text.

    Raises:
        UsageError: An unknown field, or a value that is not allowed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    method: str = DEFAULT_METHOD
    beta: Literal["auto"] | NotNegative = "auto"
    weighting: Literal["auto", "fixed", "balanced"] = "auto"
    options: dict[str, Any] = Field(default_factory=dict)
    task: Literal["auto", "classification", "multilabel", "regression", "ordinal"] = "auto"
    order: tuple[str, ...] | None = None
    steps: Count | None = None
    epochs: Positive | None = None
    patience: Count | None = None
    batch_size: Count | None = None
    lr: Positive | None = None
    weight_decay: NotNegative | None = None
    warmup: Fraction = 0.05
    gate_lr: Positive = 1e-2
    seed: Annotated[int, Field(ge=0)] = 0
    split_seed: Annotated[int, Field(ge=0)] = 0
    unlabelled: Literal["use", "skip", "error"] = "use"
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    label_smoothing: Fraction = 0.0
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Fraction = 0.2
    leakage: Literal["error", "drop"] = "error"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str = "auto"
    workers: Annotated[int, Field(ge=0)] = 0
    logger: Literal["tensorboard", "wandb", "mlflow", "none"] = "tensorboard"
    objective_batch: Literal["global", "local"] = "global"
    augment: Literal["auto", "none", "clean", "views"] = "auto"
    layer: str | None = None
    pooling: str | None = None
    weights: str | None = None
    prompt: str | None = None

    def __init__(self, **settings: Unpack[TrainSettings]) -> None:
        for name in settings:
            if name not in type(self).model_fields:
                raise UsageError(f"unknown setting {name!r}{did_you_mean(name, type(self).model_fields)}")
        try:
            super().__init__(**settings)
        except ValidationError as error:
            found = error.errors()
            field = str(found[0]["loc"][0]) if found[0]["loc"] else "?"
            rules = [str(one["msg"]).removeprefix("Input should be ") for one in found if one["loc"][:1] == (field,)]
            raise UsageError(
                f"{field}= does not take that value; received {settings.get(field)!r}; it should be "
                f"{' or '.join(dict.fromkeys(rules))}"
            ) from error
        if self.steps is not None and self.epochs is not None:
            raise UsageError(
                f"the length of a training is given once; received steps={self.steps} and epochs={self.epochs:g}; leave one out"
            )

    def replace(self, **settings: Unpack[TrainSettings]) -> "TrainConfig":
        """A copy with some settings changed.

        Raises:
            UsageError: An unknown field, or a value that is not allowed.
        """
        return TrainConfig(**{**self.model_dump(), **settings})
