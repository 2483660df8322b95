"""From labels as people write them to the numbers that a loss takes, and back."""

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

#: Joins the labels of a multi-label cell in a table.
SEPARATOR = "|"


def clean_label(value: Any) -> Any:
    """A label as it came, without surrounding space; None where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value.strip() or None
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    if isinstance(value, list | tuple | set):
        return tuple(str(part) for part in value)
    if hasattr(value, "tolist"):
        return _vector(value.tolist())
    return value


def _vector(values: Any) -> Any:
    """A label that is an array: one number, or which classes apply."""
    flat = values if isinstance(values, list) else [values]
    if len(flat) == 1 and not isinstance(flat[0], list):
        return flat[0]
    if any(isinstance(part, list) or part not in (0, 1) for part in flat):
        raise DataError(
            f"a label that is an array holds one number, or a 0 or 1 a class; received {flat!r:.80}; give one label a sample"
        )
    return tuple(str(index) for index, part in enumerate(flat) if part)


@dataclass(frozen=True)
class Targets:
    """What the labels of a task mean; kept in the run, so that predictions can be read.

    Attributes:
        kind: Classification, multilabel or regression.
        classes: Names of the outputs, sorted; empty for regression.
        mean: Subtracted from regression labels before training, from the training labels.
        scale: What they are divided by then.
    """

    kind: TaskKind
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def outputs(self) -> int:
        """How many numbers the student puts out."""
        return 1 if self.kind == "regression" else len(self.classes)

    @classmethod
    def infer(cls, labels: Sequence[Any], kind: TaskKind | Literal["auto"] = "auto") -> "Targets":
        """Learn what labels mean from the training labels.

        Args:
            labels: Training labels; None where a sample has none.
            kind: The task, or ``"auto"``: lists of labels are multilabel, numbers with a fraction or with more than 20
                different values are regression, anything else is classification.

        Returns:
            The targets.

        Raises:
            UsageError: An unknown task.
            DataError: No labels, one class only, or regression labels that are not finite numbers.
        """
        if kind != "auto" and kind not in get_args(TaskKind):
            raise UsageError(f"unknown task {kind!r}{did_you_mean(str(kind), [*get_args(TaskKind), 'auto'])}")
        present = [label for label in labels if label is not None]
        if not present:
            raise DataError(
                f"training needs labels; received {len(labels)} training samples without any; name the column with --label, "
                "or check that the training split has labels"
            )
        if kind == "auto":
            kind = _guess(present)
        if kind == "regression":
            values = np.array([_number(label) for label in present])
            scale = float(values.std())
            if scale == 0:
                raise DataError(
                    f"regression needs labels that differ; received {values[0]:g} {len(values)} times; check the label column"
                )
            return cls("regression", (), float(values.mean()), scale)
        counts = Counter(
            name for label in present for name in (_names(label) if kind == "multilabel" else [str(label)])
        )
        if len(counts) < 2 and kind == "classification":
            raise DataError(
                f"classification needs at least two classes; received {name_some(counts)} alone; check the label column and the split"
            )
        if not counts:
            raise DataError(
                "a multilabel task needs at least one label; received empty lists alone; check the label column"
            )
        return cls(kind, tuple(sorted(counts)))

    def encode(self, labels: Sequence[Any], ids: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Turn labels into numbers.

        Args:
            labels: As they came; None where a sample has none.
            ids: Of the same samples, for naming.

        Returns:
            Class indices ``(N,)`` int64, 0/1 ``(N, C)`` float32, or standardised values ``(N,)`` float32; and which samples
            have a label ``(N,)``. Rows without one are zeros.

        Raises:
            DataError: A label that training did not have, or that is not a number; some are named.
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
                name = str(labels[i])
                encoded[i] = position.get(name, 0)
                if name not in position:
                    unknown.setdefault(name, ids[i])
        else:
            encoded = np.zeros((len(labels), len(self.classes)), dtype=np.float32)
            for i in np.flatnonzero(has).tolist():
                for name in _names(labels[i]):
                    if name in position:
                        encoded[i, position[name]] = 1
                    else:
                        unknown.setdefault(name, ids[i])
        if unknown:
            raise DataError(
                f"every label must occur in training; received {name_some(unknown)}, first at id "
                f"{next(iter(unknown.values()))!r}; add training samples of it or leave these samples out"
            )
        return encoded, has


def _guess(labels: Sequence[Any]) -> TaskKind:
    if any(isinstance(label, tuple) for label in labels):
        return "multilabel"
    try:
        values = [_number(label) for label in labels]
    except DataError:
        return "classification"
    return "regression" if any(v != int(v) for v in values) or len(set(values)) > 20 else "classification"


def _names(label: Any) -> list[str]:
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
            f"a regression label is a finite number; received {label!r}{where}; correct it or leave it empty"
        )
    return value
