"""Labels as written in the data, and the numbers that a loss takes."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aft.errors import DataError, UsageError, did_you_mean, name_some

TaskKind = Literal["classification", "multilabel", "regression"]
Label = str | float | tuple[str, ...]

#: Separates the labels of one cell in a multilabel table.
SEPARATOR = "|"
#: Types of pandas' missing values.
MISSING_TYPES = ("NAType", "NaTType")


def clean_labels(values: Sequence[Any]) -> list[Any]:
    """Normalise labels: strip strings, unwrap scalars, and turn collections into tuples of class names.

    Lists of names or numbers name a sample's classes. Arrays hold a 0 or 1 for each class, and so do lists of one length of
    zeros and ones in which a number occurs twice, as it would not in a list of classes.

    Args:
        values: The labels as the source gives them.

    Returns:
        Strings, numbers or tuples of strings; None for a missing label.

    Raises:
        DataError: An array that is neither one number nor a 0/1 vector of classes, or a list with a missing class.
    """
    lists = [value for value in values if isinstance(value, list | tuple)]
    binary = all(isinstance(part, int) and part in (0, 1) for value in lists for part in value)
    repeats = any(len(set(value)) < len(value) for value in lists) if binary else False
    vectors = repeats and len({len(value) for value in lists}) == 1
    return [_vector(list(value)) if vectors and isinstance(value, list | tuple) else _clean(value) for value in values]


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, or pandas' words for them."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in MISSING_TYPES


def _clean(value: Any) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, str):
        return value.strip() or None
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    if isinstance(value, list | tuple | set):
        if any(map(is_missing, value)):
            raise DataError(
                f"a list of labels names classes; received {value!r:.80}, in which one is missing; leave it out, or the whole "
                "label"
            )
        return tuple(str(part) for part in value)
    if hasattr(value, "tolist"):
        return _vector(value.tolist())
    return value


def _vector(values: Any) -> Any:
    """A label given as an array: one number, or a 0/1 vector with one entry per class."""
    flat = values if isinstance(values, list) else [values]
    if len(flat) == 1 and not isinstance(flat[0], list):
        return flat[0]
    if any(isinstance(part, list) or part not in (0, 1) for part in flat):
        raise DataError(
            f"an array label holds one number, or a 0 or 1 for each class; received {flat!r:.80}; give each sample "
            "one such label"
        )
    return tuple(str(index) for index, part in enumerate(flat) if part)


@dataclass(frozen=True)
class Targets:
    """The meaning of a task's labels. It is saved with the run, so that predictions can be translated back.

    Attributes:
        kind: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        classes: Names of the outputs, sorted; empty for regression.
        mean: Mean of the training labels of a regression task, subtracted from every label.
        scale: Standard deviation of the training labels of a regression task; labels are divided by it.

    Example:
        >>> Targets.infer(["pos", "neg", None])
        Targets(kind='classification', classes=('neg', 'pos'), mean=0.0, scale=1.0)
    """

    kind: TaskKind
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def outputs(self) -> int:
        """Number of outputs that the student needs."""
        return 1 if self.kind == "regression" else len(self.classes)

    @classmethod
    def infer(cls, labels: Sequence[Any], kind: TaskKind | Literal["auto"] = "auto") -> "Targets":
        """Determine the classes or the scale of a task from its training labels.

        Args:
            labels: Training labels; None where a sample has none.
            kind: The task, or ``"auto"``: lists of labels mean multilabel; numbers with a fraction, or of type
                float, mean regression; everything else, integers included, means classification. Floats
                without a fraction beside missing labels are integers that a table has widened.

        Returns:
            The targets.

        Raises:
            UsageError: The task is unknown.
            DataError: There are no labels, there is only one class, or regression labels are not finite
                numbers.
        """
        if kind != "auto" and kind not in get_args(TaskKind):
            raise UsageError(f"unknown task {kind!r}{did_you_mean(str(kind), [*get_args(TaskKind), 'auto'])}")
        present = [label for label in labels if label is not None]
        if not present:
            raise DataError(
                f"training needs labels; received {len(labels)} training samples without any; name the column with "
                "label=, or check that the training split has labels"
            )
        if kind == "auto":
            kind = guess_task(labels)
        if kind == "regression":
            values = np.array([_number(label) for label in present])
            scale = float(values.std())
            if scale == 0:
                raise DataError(
                    f"regression needs labels that vary; received {values[0]:g} for all {len(values)} samples; "
                    "check the label column"
                )
            return cls("regression", (), float(values.mean()), scale)
        counts = Counter(
            name for label in present for name in (class_names(label) if kind == "multilabel" else [_class_name(label)])
        )
        if len(counts) < 2 and kind == "classification":
            raise DataError(
                f"classification needs at least two classes; received only {name_some(counts)}; check the labels, or the class "
                "folders, and the split"
            )
        if not counts:
            raise DataError(
                "a multilabel task needs at least one label; received only empty lists; check the label column"
            )
        return cls(kind, tuple(sorted(counts, key=_class_order)))

    def encode(self, labels: Sequence[Any], ids: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Convert labels to numbers.

        Args:
            labels: N labels as written in the data; None where a sample has none.
            ids: Ids of the same samples, for error messages.

        Returns:
            Class indices ``(N,)`` int64, 0/1 vectors ``(N, C)`` float32, or standardised values ``(N,)``
            float32; and a mask ``(N,)`` of the samples that have a label. Rows of the others are zero.

        Raises:
            DataError: A class does not occur in the training labels, or a regression label is not a finite
                number.
        """
        has = np.array([label is not None for label in labels], dtype=bool)
        if self.kind == "regression":
            values = np.zeros(len(labels), dtype=np.float32)
            for i in np.flatnonzero(has).tolist():
                values[i] = (_number(labels[i], ids[i]) - self.mean) / self.scale
            return values, has
        position = {name: i for i, name in enumerate(self.classes)}
        unknown: dict[str, str] = {}
        encoded: NDArray[Any]
        if self.kind == "classification":
            encoded = np.zeros(len(labels), dtype=np.int64)
            for i in np.flatnonzero(has).tolist():
                name = _class_name(labels[i])
                encoded[i] = position.get(name, 0)
                if name not in position:
                    unknown.setdefault(name, ids[i])
        else:
            encoded = np.zeros((len(labels), len(self.classes)), dtype=np.float32)
            for i in np.flatnonzero(has).tolist():
                for name in class_names(labels[i]):
                    if name in position:
                        encoded[i, position[name]] = 1
                    else:
                        unknown.setdefault(name, ids[i])
        if unknown:
            raise DataError(
                f"every label must occur in training; received {name_some(unknown)}, first at id "
                f"{next(iter(unknown.values()))!r}, and training has {name_some(self.classes)}; add training samples with such "
                "labels, or remove these samples"
            )
        return encoded, has


def guess_task(labels: Sequence[Any], *, complete: bool | None = None) -> TaskKind:
    """The task that labels look like; see `Targets.infer`.

    Args:
        labels: Labels; None where a sample has none.
        complete: Whether none is missing in the column that they are from; by default whether none is missing among them.

    Returns:
        The task. Integers are classes, however many there are.
    """
    present = [label for label in labels if label is not None]
    if any(isinstance(label, tuple) for label in present):
        return "multilabel"
    try:
        fractional = any(not _number(label).is_integer() for label in present)
    except DataError:
        return "classification"
    if complete is None:
        complete = len(present) == len(labels)
    floats = complete and any(isinstance(label, float) for label in present)
    return "regression" if fractional or floats else "classification"


def _class_order(name: str) -> tuple[float, str]:
    """Integers in the order of their values, other names after them by their letters."""
    return (float(name) if name.isdecimal() else math.inf, name)


def _class_name(label: Any) -> str:
    """The class of a label: 1, and not 1.0, for an integer that a table has widened."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def class_names(label: Any) -> list[str]:
    """The classes that a label of a multilabel task names."""
    parts = label if isinstance(label, tuple) else str(label).split(SEPARATOR)
    return [text for part in parts if (text := str(part).strip())]


def _number(label: Any, sample_id: str | None = None) -> float:
    try:
        value = float(label)
    except (TypeError, ValueError):
        value = math.nan
    if isinstance(label, bool) or not math.isfinite(value):
        where = "" if sample_id is None else f" at id {sample_id!r}"
        raise DataError(
            f"a regression label is a finite number; received {label!r}{where}; correct it, or leave it empty"
        )
    return value
