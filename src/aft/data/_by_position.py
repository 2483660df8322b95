"""Sequences of any library, by the positions of their items."""

from collections.abc import Mapping
from typing import Any

from aft.errors import DataError


def by_position(values: Any, role: str) -> Any:
    """Values in the order of the samples: a series of pandas would be read by its index, and an array of Arrow as scalars.

    Args:
        values: A sequence, an array, or a series; None is returned as it is.
        role: What they are, for messages.

    Returns:
        Something whose items are found by their positions.

    Raises:
        DataError: A data frame of several columns that are no numbers, or something without an order.
    """
    if values is None or isinstance(values, list | tuple):
        return values
    if hasattr(type(values), "columns"):  # a data frame: its rows are the samples
        if len(values.columns) == 1:
            return by_position(values[values.columns[0]], role)
        array = values.to_numpy() if hasattr(values, "to_numpy") else None
        if array is None or array.dtype.kind not in "fiub":
            raise DataError(
                f"{role} are one column, or columns of numbers; received a {type(values).__name__} of others; use "
                "Dataset.from_table, or pass one column"
            )
        return array
    convert = getattr(values, "to_pylist", None) or getattr(values, "to_list", None)
    if convert is not None:
        return convert()
    if isinstance(values, str | bytes | Mapping) or not (hasattr(values, "__len__") and hasattr(values, "__getitem__")):
        raise DataError(f"{role} are a sequence; received {type(values).__name__}; pass a list or an array")
    return values
