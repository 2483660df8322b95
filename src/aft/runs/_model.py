"""A trained student, ready to predict."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aft.core import downloaded
from aft.data import MODALITIES, Dataset, Inputs, Modality, check_inputs, modality_name
from aft.errors import DataError, RunError, UsageError, did_you_mean
from aft.models import Backbone, Batch, Student, choose_device, forward_all, restore_backbone, slow_precision
from aft.runs._layout import RunLayout
from aft.runs._schema import RunConfig
from aft.runs._weights import load_weights
from aft.runtime import Prediction, decode

log = logging.getLogger("aft")

#: Number of inputs that are encoded and predicted together.
CHUNK = 2048
Precision = Literal["fp32", "bf16", "fp16"]
#: Types of half precision.
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Model:
    """A trained student with its preprocessing and its labels. `aft.load` returns one.

    Call it with one raw input or a sequence of them. For the outputs as tensors, pass a batch to ``student``.

    Attributes:
        student: The ``nn.Module``, in evaluation mode: it maps a batch to ``logits`` ``(B, C)`` and ``features`` ``(B, d)``.
        targets: The meaning of its outputs.
        config: The run's config.
        precision: Precision of predictions.
        run: The run directory.

    Example:
        >>> model = aft.load("runs/a")
        >>> model("a delight from start to end")
        Prediction('positive', 97.1%)
        >>> logits, features = model.student(model.batch(["a delight", "a bore"]))
    """

    def __init__(
        self, student: Student, config: RunConfig, run: Path, *, precision: Precision = "fp32", code: Mapping[str, Any]
    ) -> None:
        self.student = student
        self.targets = config.targets
        self.config = config
        self.precision = precision
        self.run = run
        self._code = code  # what was passed to `load` since the run does not contain it

    @property
    def modality(self) -> Modality:
        """Parts of an input, as in `aft.Dataset.modality`."""
        return MODALITIES[self.config.data.kind]

    def __call__(self, inputs: Any) -> Prediction | list[Prediction]:
        """Predict one raw input, or several.

        Args:
            inputs: One text, pair of texts (a tuple), image or array; or a list of them, or a `Dataset`.

        Returns:
            A prediction; a list of them for a list or a dataset.
        """
        return self.predict(inputs) if isinstance(inputs, list | Inputs | Dataset) else self.predict([inputs])[0]

    def predict(self, inputs: Iterable[Any] | Dataset) -> list[Prediction]:
        """Predict any number of raw inputs.

        Args:
            inputs: Texts, pairs of texts, images (PIL images, or paths) or arrays, or a `Dataset`; a generator is read in pieces.

        Returns:
            One prediction for each input, in order.

        Raises:
            DataError: Inputs of another modality than the run's, or inputs that cannot be used.

        Example:
            >>> aft.load("runs/a").predict(["a delight from start to end"])
            [Prediction('positive', 97.1%)]
        """
        return list(decode(self.targets, self.logits(inputs)))

    def logits(self, inputs: Iterable[Any] | Dataset) -> NDArray[np.float32]:
        """The student's outputs for raw inputs.

        Args:
            inputs: As for `predict`.

        Returns:
            ``(N, C)``; for regression standardised values: multiply by ``targets.scale`` and add ``targets.mean``.
        """
        half = TYPES.get(self.precision)
        with torch.autocast(next(self.student.parameters()).device.type, half, enabled=half is not None):
            parts = [forward_all(self.student, encoded).logits for encoded in self._encode(inputs)]
        return np.concatenate(parts) if parts else np.empty((0, self.targets.outputs), dtype=np.float32)

    def batch(self, inputs: Iterable[Any] | Dataset) -> Batch:
        """The tensors that ``student`` takes, on its device.

        Args:
            inputs: As for `predict`; at least one.

        Returns:
            A dictionary of tensors with a batch dimension B.
        """
        encoded = [item for chunk in self._encode(inputs) for item in chunk]
        if not encoded:
            raise DataError("a batch has at least one input; received none; pass a list of inputs")
        device = next(self.student.parameters()).device
        return {key: value.to(device) for key, value in self.student.backbone.collate(encoded).items()}

    def export(self, to: str, out: str | Path, **options: Any) -> Any:
        """Write the model for other programs; see `aft.export`.

        Args:
            to: The format, such as ``"onnx"``.
            out: The folder to write.
            **options: Further arguments of `aft.export`.

        Returns:
            What the check of the written files has found.

        Example:
            >>> print(aft.load("runs/a").export("onnx", "exported"))
        """
        import aft  # a package above this one, for those who have a model at hand

        return aft.export(self.run, out, to=to, **{**self._code, **options})

    def _encode(self, inputs: Iterable[Any] | Dataset) -> Iterator[list[Any]]:
        """Check and encode inputs, chunk by chunk."""
        if isinstance(inputs, Dataset):
            inputs = inputs.verified().inputs
        if isinstance(inputs, Inputs) and inputs.modality != self.modality:
            raise DataError(
                f"a model takes inputs of the modality that it was trained on, {modality_name(self.modality)}; received "
                f"{modality_name(inputs.modality)}; choose other columns, or another run"
            )
        several = isinstance(inputs, Iterable) and not isinstance(inputs, str | bytes | Mapping)
        if not several or hasattr(inputs, "columns"):
            raise DataError(
                f"predict takes a sequence of inputs; received {type(inputs).__name__}; put the input into a list, call the model "
                "itself, or read a table with aft.Dataset.from_table"
            )
        iterator, start = iter(inputs), 0
        while chunk := list(islice(iterator, CHUNK)):
            # Those of a dataset have been read by it, and have its modality.
            checked = chunk if isinstance(inputs, Inputs) else check_inputs(chunk, self.modality, start)
            self._check_shapes(checked, start)
            yield self.student.backbone.encode(checked)
            start += len(chunk)

    def _check_shapes(self, inputs: list[Any], start: int) -> None:
        """An array with one axis more would be taken for tokens, and averaged."""
        shape = self.config.student.backbone.get("shape")
        if shape is None:
            return
        for number, value in enumerate(inputs, start):
            number_alone = np.shape(value) == (1,) != tuple(shape)
            if np.ndim(value) != len(shape) or number_alone:
                raise DataError(
                    f"an array has as many axes as those of the training, {len(shape)}; input {number} has the shape "
                    f"{np.shape(value)}, and one of the training {tuple(shape)}; pass arrays of that kind in a list, even if it is one"
                )

    def __repr__(self) -> str:
        """Student, task and size."""
        return f"Model({self.config.student.name!r}, {self.targets.name}, {self.student.size():,} parameters)"


def load(
    run: str | Path,
    *,
    student: nn.Module | str | None = None,
    preprocess: Any = None,
    device: str = "auto",
    precision: Precision = "fp32",
) -> Model:
    """Load a finished run.

    Args:
        run: The run directory; or ``"hf:OWNER/NAME"``, a run on the Hugging Face Hub.
        student: For a run that trained a module: that module, which is copied. For a run that trained a ``python:`` student: its name, since
            loading a run never executes code that the run names.
        preprocess: The preprocessing of a module.
        device: ``"auto"``, or a device of torch's.
        precision: Precision of predictions: ``"fp32"``; or ``"bf16"`` or ``"fp16"``, which are up to twice as fast where the processor
            has them, and change probabilities in the third digit.

    Returns:
        The model, in evaluation mode.

    Raises:
        UsageError: An unknown precision.
        RunError: There is no finished run, a file of it is damaged, or ``student`` or ``preprocess`` is not what was trained.
        ModelError: The run needs ``student=``.
    """
    if precision not in get_args(Precision):
        raise UsageError(f"unknown precision {precision!r}{did_you_mean(str(precision), get_args(Precision))}")
    layout = RunLayout(downloaded(run))
    config = RunConfig.read(layout.config)
    weights = load_weights(layout)
    backbone = restore_backbone(config.student.backbone, layout.assets, student, preprocess)
    if backbone.identity() != (None, None):
        _check_module(backbone, student, config)
    restored = Student(backbone, config.targets.outputs)
    try:
        restored.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"{str(layout.weights)!r} does not fit the student ({str(error).splitlines()[0][:120]}); pass the student that was trained"
        ) from error
    chosen = choose_device(device)
    if slow := slow_precision(chosen, precision):
        log.warning("%s", slow)
    return Model(
        restored.eval().to(chosen), config, layout.directory, precision=precision,
        code={"student": student, "preprocess": preprocess},
    )  # fmt: skip


def _check_module(backbone: Backbone, student: nn.Module | str | None, config: RunConfig) -> None:
    """A run does not contain the code of a module, or of one among its parts: make sure that it is given what it had."""
    trained = config.student.backbone.get("name")
    if isinstance(student, nn.Module) and trained is None:
        raise RunError(
            f"a student of several parts is loaded by its name; received student= of the class {type(student).__name__}; pass "
            f"student={config.student.name!r} if you trust that code"
        )
    if isinstance(student, nn.Module) and type(student).__name__ != trained:
        raise RunError(
            f"a run's weights belong to the module that was trained; received student= of the class "
            f"{type(student).__name__}, and the run trained a {trained}; pass that module"
        )
    module, code = backbone.identity()
    if config.student.module not in (None, module):
        raise RunError(
            "a run's weights belong to the module that was trained; the layers of student= differ from that module's, as their "
            "repr shows; pass a module with the same layers and settings"
        )
    if config.student.code not in (None, code):
        log.warning("the source code of the module has changed since the run was trained")
    if repr(backbone.preprocessing()) == config.student.preprocessing:
        return
    if isinstance(student, nn.Module):
        raise RunError(
            "a module must get its inputs as in training; the source code or the values of preprocess= differ from those of "
            "the training, or one of the two had none; pass the preprocess= that it was trained with"
        )
    log.warning("the preprocessing that %s returns has changed since the run was trained", student)
