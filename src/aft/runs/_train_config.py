"""What a training is asked to do; kept in its run folder."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aft.errors import UsageError, did_you_mean
from aft.objectives import DEFAULT_METHOD

Fraction = Annotated[float, Field(ge=0, lt=1)]


class TrainConfig(BaseModel):
    """Settings of a training; None stands for a default that depends on the student and the data.

    Attributes:
        student: Name of the student.
        method: Name of the objective, or ``finetune``.
        beta: Strength, or ``auto``.
        strength: Form of the strength: ``raw``, ``balanced``, or ``auto`` for the best of both where beta is ``auto``.
        options: Options of the objective.
        task: ``classification``, ``multilabel``, ``regression`` or ``auto``.
        steps: Optimiser steps; None lets ``beta="auto"`` choose.
        batch_size: Samples a step, of all processes together.
        lr: The student's learning rate.
        weight_decay: Decoupled, of the student.
        warmup: Share of the steps over which the rate rises.
        gate_lr: Learning rate of the gates.
        seed: Of initial weights and order of batches.
        split_seed: Of the parts that are held out; the same for every method that is compared.
        unlabelled: What to do with training samples without a label: ``use``, ``skip`` or ``error``.
        class_weights: ``balanced`` weighs classes against their frequency; or a weight a class.
        label_smoothing: Share of each label spread over all classes.
        validation_fraction: Share of the training samples to choose on.
        test_fraction: Share to hold out where the data gives no test part; 0 for none.
        leakage: ``error`` refuses samples on both sides of a split; ``drop`` removes them from training.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: ``auto``, ``cpu``, ``cuda``, ...
        workers: Processes that prepare batches; 0 for the training's own.
        objective_batch: What the objective sees where several processes train together: ``global``, the batch of all, or
            ``local``, each its own share of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    student: str
    method: str = DEFAULT_METHOD
    beta: Literal["auto"] | Annotated[float, Field(ge=0, allow_inf_nan=False)] = "auto"
    strength: Literal["auto", "raw", "balanced"] = "auto"
    options: dict[str, Any] = Field(default_factory=dict)
    task: Literal["auto", "classification", "multilabel", "regression"] = "auto"
    steps: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    warmup: Fraction = 0.05
    gate_lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-2
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
    objective_batch: Literal["global", "local"] = "global"
    layer: str | None = None
    pooling: str | None = None
    weights: str | None = None
    prompt: str | None = None

    @classmethod
    def of(cls, **values: Any) -> "TrainConfig":
        """Check settings.

        Args:
            **values: Fields.

        Returns:
            The config.

        Raises:
            UsageError: An unknown field or a value that does not fit.
        """
        for name in values:
            if name not in cls.model_fields:
                raise UsageError(f"unknown setting {name!r}{did_you_mean(name, cls.model_fields)}")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0]) if first["loc"] else "?"
            flag = "--" + field.replace("_", "-")
            message = str(first["msg"])
            raise UsageError(
                f"{flag} does not take that value ({message[:1].lower()}{message[1:]}); received {values.get(field)!r}; see aft train --help"
            ) from error
