"""Labels as written in the data, and the numbers that a loss takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aft.data._column import taken
from aft.data._repeated import Repeated, compact, counted, mapped
from aft.errors import DataError, UsageError, did_you_mean, name_some

TaskKind = Literal["classification", "multilabel", "regression"]
#: What users call the kinds of tasks: an ordinal task is a classification whose classes have an order.
TaskName = Literal["classification", "multilabel", "regression", "ordinal"]
Label = str | float | tuple[str, ...]

#: Separates the labels of one cell in a multilabel table.
SEPARATOR = "|"
#: Types of pandas' missing values.
MISSING_TYPES = ("NAType", "NaTType")


def clean_labels(values: Sequence[Any]) -> Sequence[Any]:
    """Normalise labels: strip strings, unwrap scalars, and turn collections into tuples of class names.

    Collections of zeros and ones that are all of one length, from two on, hold a 0 or 1 for each class. Other lists, sets and
    arrays name a sample's classes; but arrays of one number each are numbers.

    Args:
        values: The labels as the source gives them.

    Returns:
        Strings, numbers or tuples of strings; None for a missing label.

    Raises:
        DataError: Arrays of one length that are neither one number nor a 0/1 vector of classes, or a collection with a missing
            class.
    """
    if isinstance(values, Repeated):  # whose collections are tuples of strings
        return mapped(values, lambda value: _class_tuple(list(value)) if isinstance(value, tuple) else _clean(value))
    lists: dict[int, Any] = {place: _items(value) for place, value in enumerate(values) if _is_collection(value)}
    lengths = {len(items) for items in lists.values()}
    arrays = all(hasattr(values[place], "tolist") for place in lists)
    numbers = all(isinstance(item, bool | int | float) for items in lists.values() for item in items)
    alike = numbers and len(lengths) == 1
    vectors = alike and min(lengths) > 1 and all(item in (0, 1) for items in lists.values() for item in items)
    if arrays and alike and lengths == {1}:
        lists = {place: items[0] for place, items in lists.items()}
    elif arrays and alike and not vectors:
        raise DataError(
            f"an array label holds one number, or a 0 or 1 for each class; received {next(iter(lists.values()))!r:.80}; give each "
            "sample one such label"
        )
    elif vectors:
        lists = {place: tuple(str(n) for n, item in enumerate(items) if item) for place, items in lists.items()}
    else:
        lists = {place: _class_tuple(items) for place, items in lists.items()}
    return compact(lists[place] if place in lists else _clean(value) for place, value in enumerate(values))


def _is_collection(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) or (
        hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0
    )


def _items(value: Any) -> list[Any]:
    """What a collection contains, with numbers as Python's."""
    items = value.tolist() if hasattr(value, "tolist") else value
    items = sorted(items, key=str) if isinstance(items, set | frozenset) else list(items)
    return [item.item() if hasattr(item, "item") and getattr(item, "ndim", 0) == 0 else item for item in items]


def _class_tuple(items: list[Any]) -> tuple[str, ...]:
    if any(map(is_missing, items)):
        raise DataError(
            f"a list of labels names classes; received {items!r:.80}, in which one is missing; leave it out, or the whole label"
        )
    if any(isinstance(item, list | tuple | dict) for item in items):
        raise DataError(
            f"an array label holds one number, or a 0 or 1 for each class; received {items!r:.80}; give each sample one such label"
        )
    return tuple(map(_class_name, items))


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, or pandas' words for them."""
    return (
        value is None
        or (isinstance(value, float | np.floating) and math.isnan(value))
        or type(value).__name__ in MISSING_TYPES
    )


def _clean(value: Any) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, str):
        return value.strip() or None
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True)
class Targets:
    """The meaning of a task's labels. It is saved with the run, so that predictions can be translated back.

    Attributes:
        kind: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        classes: Names of the outputs, sorted, for an ordinal task from the lowest to the highest; empty for regression.
        mean: Mean of the training labels of a regression task, subtracted from every label.
        scale: Standard deviation of the training labels of a regression task; labels are divided by it.
        ordered: Whether the classes have an order: a prediction that is two classes off is worse than one that is one off.

    Example:
        >>> Targets.infer(["pos", "neg", None]).classes
        ('neg', 'pos')
    """

    kind: TaskKind
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    ordered: bool = False

    @property
    def name(self) -> TaskName:
        """What users call the task: ``"ordinal"``, or `kind`."""
        return "ordinal" if self.ordered else self.kind

    @property
    def outputs(self) -> int:
        """Number of outputs that the student needs."""
        return 1 if self.kind == "regression" else len(self.classes)

    @classmethod
    def infer(
        cls, labels: Sequence[Any], kind: TaskName | Literal["auto"] = "auto", order: Sequence[str] | None = None
    ) -> "Targets":
        """Determine the classes or the scale of a task from its training labels.

        Args:
            labels: Training labels; None where a sample has none.
            kind: The task, or ``"auto"``: lists of labels mean multilabel; numbers with a fraction, or of type
                float, mean regression; everything else, integers included, means classification. Floats
                without a fraction beside missing labels are integers that a table has widened.
            order: Classes of an ordinal task from the lowest to the highest; by default numbers by their values.

        Returns:
            The targets.

        Raises:
            UsageError: The task is unknown, or an order is given for one without.
            DataError: There are no labels, there is only one class, regression labels are not finite
                numbers, or the order of ordinal classes is not known.
        """
        if kind != "auto" and kind not in get_args(TaskName):
            raise UsageError(f"unknown task {kind!r}{did_you_mean(str(kind), [*get_args(TaskName), 'auto'])}")
        if order and kind not in ("auto", "ordinal"):
            raise UsageError(f"order= is for ordinal tasks; received it for task={kind!r}; leave one of them out")
        present = [label for label, _ in counted(labels) if label is not None]
        if not present:
            raise DataError(
                f"training needs labels; received {len(labels)} training samples without any; name the column with "
                "label=, or check that the training split has labels"
            )
        if order or kind == "ordinal":
            return cls("classification", _in_order(present, tuple(order or ())), ordered=True)
        if kind == "auto":
            kind = guess_task(labels)
        if kind == "regression":
            values = np.array([_number(label) for label in labels if label is not None])
            scale = float(values.std())
            if scale == 0:
                raise DataError(
                    f"regression needs labels that vary; received {values[0]:g} for all {len(values)} samples; "
                    "check the label column"
                )
            return cls("regression", (), float(values.mean()), scale)
        names = {
            name for label in present for name in (class_names(label) if kind == "multilabel" else [_class_name(label)])
        }
        if len(names) < 2 and kind == "classification":
            raise DataError(
                f"classification needs at least two classes; received only {name_some(sorted(names))}; check the labels, or the class "
                "folders, and the split"
            )
        if not names:
            raise DataError(
                "a multilabel task needs at least one label; received only empty lists; check the label column"
            )
        return cls(kind, tuple(sorted(names, key=_class_order)))

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
        if isinstance(labels, Repeated):
            return self._encode_repeated(labels, ids)
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

    def _encode_repeated(self, labels: Repeated, ids: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Encode each different label once, in the order in which they occur."""
        first = np.full(len(labels.distinct), len(labels))
        first[labels.numbers[::-1]] = np.arange(len(labels))[::-1]
        order = np.argsort(first)
        order = order[first[order] < len(labels)]
        encoded, has = self.encode([labels.distinct[number] for number in order], taken(ids, first[order]))
        place = np.empty(len(first), dtype=np.int64)
        place[order] = np.arange(len(order))
        places = place[labels.numbers]
        return encoded[places], has[places]


def guess_task(labels: Sequence[Any], *, complete: bool | None = None) -> TaskKind:
    """The task that labels look like; see `Targets.infer`.

    Args:
        labels: Labels; None where a sample has none.
        complete: Whether none is missing in the column that they are from; by default whether none is missing among them.

    Returns:
        The task. Integers are classes, however many there are.
    """
    every = [label for label, _ in counted(labels)]
    present = [label for label in every if label is not None]
    if any(isinstance(label, tuple) for label in present):
        return "multilabel"
    try:
        fractional = any(not _number(label).is_integer() for label in present)
    except DataError:
        return "classification"
    if complete is None:
        complete = len(present) == len(every)
    floats = complete and any(isinstance(label, float) for label in present)
    return "regression" if fractional or floats else "classification"


def _in_order(labels: Sequence[Any], order: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of an ordinal task from the lowest to the highest."""
    found = {_class_name(label): label for label in labels}
    if len(found) < 3:
        raise DataError(
            f"an ordinal task has at least three classes; received {name_some(sorted(found))}; use task='classification'"
        )
    if not order:
        try:
            values = {name: _number(label) for name, label in found.items()}
        except DataError as error:
            raise DataError(
                f"the classes of an ordinal task are numbers, or order= lists them from the lowest to the highest; received "
                f"{name_some(sorted(found))}; give their order"
            ) from error
        return tuple(sorted(found, key=lambda name: (values[name], name)))
    missing = [name for name in found if name not in order]
    if missing or len(set(order)) < len(order):
        raise DataError(
            f"order= lists every class of an ordinal task once; received {name_some(order, 20)}, and the training labels are "
            f"{name_some(sorted(found), 20)}; correct the list"
        )
    return tuple(name for name in order if name in found)


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
