"""Preprocessing that a user has written: what it returns, and whether it is deterministic."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aft.data import Inputs
from aft.errors import AftError, ModelError, describe_exception
from aft.models._randomness import kept_random_state

Preprocess = Callable[[Any], Any]

#: How many inputs are preprocessed how often to see whether the preprocessing is random.
CHECKED, DRAWS = 8, 4


def apply(preprocess: Preprocess, value: Any, role: str = "preprocess=") -> Tensor | dict[str, Tensor]:
    """Preprocess a raw input.

    Args:
        preprocess: The function.
        value: The input. An array is copied first, since the function may work in place.
        role: What the function was passed as, for messages.

    Returns:
        A tensor, or a dict of tensors. Arrays become tensors, of float32 if they have fractions.

    Raises:
        ModelError: The function fails, or returns something else.
    """
    try:
        result = preprocess(value.copy() if isinstance(value, np.ndarray) else value)
    except AftError:
        raise
    except Exception as error:  # it is the user's code
        part = "give a python: model its part of each sample with ',reads=image' or ',reads=text', "
        raise ModelError(
            f"{role} takes every input; it failed on one of the type {type(value).__name__} ({describe_exception(error)}); "
            f"{part if isinstance(value, tuple) else ''}correct the function, or leave the input out"
        ) from error
    if isinstance(result, Mapping):
        return {str(key): _tensor(part, role) for key, part in result.items()}
    return _tensor(result, role)


def check_deterministic(encode: Callable[[Any], Any], inputs: Inputs, name: str) -> None:
    """Make sure that preprocessing gives the same, finite result each time.

    Args:
        encode: The preprocessing.
        inputs: Raw inputs, of which a few are preprocessed several times.
        name: Name of the model, for messages.

    Raises:
        ModelError: It does not.
    """
    with kept_random_state():
        for place in range(0, len(inputs), -(-len(inputs) // CHECKED)):
            value = inputs[place]
            first, *others = (encode(value) for _ in range(DRAWS))
            if not all(_equal(first, other) for other in others):
                raise ModelError(
                    f"preprocess= gives the same result for the same input, since results are kept; that of {name} does "
                    "not; pass random augmentation as train_preprocess=, or return (module, preprocess, train_preprocess) "
                    "from the factory"
                )
            if not all(bool(torch.isfinite(part).all()) for part in _parts(first).values() if part.is_floating_point()):
                raise ModelError(
                    f"preprocess= returns finite numbers; that of {name} returned NaN or infinity for input {place}; "
                    "correct the function or the input"
                )


def check_alike(plain: Any, augmented: Any) -> None:
    """Make sure that the preprocessing for training returns what the other one returns, as far as their form goes.

    Args:
        plain: A result of ``preprocess``.
        augmented: A result of ``train_preprocess`` for the same input.

    Raises:
        ModelError: Names, shapes or types differ.
    """
    one, other = ({key: _form(part) for key, part in _parts(result).items()} for result in (plain, augmented))
    if one != other:
        raise ModelError(
            f"train_preprocess= returns tensors of the same shape and type as preprocess=; received {other} and {one}; make "
            "them alike"
        )


def forms(tensors: Mapping[str, Tensor]) -> str:
    """Shapes and types of named tensors, for messages; a single one needs no name."""
    if set(tensors) == {"input"}:
        return _form(tensors["input"])
    return ", ".join(f"{name}: {_form(part)}" for name, part in tensors.items())


def _tensor(value: Any, role: str) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray | np.generic | int | float) and np.asarray(value).dtype.kind in "fiub":
        array = np.asarray(value)
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32 if array.dtype.kind == "f" else None))
    raise ModelError(
        f"{role} returns a tensor, an array of numbers, or a dict of them; it returned {type(value).__name__}; convert it"
    )


def _parts(value: Any) -> dict[str, Tensor]:
    return value if isinstance(value, dict) else {"input": value}


def _equal(one: Any, other: Any) -> bool:
    """Whether two results are equal bit for bit."""
    a, b = _parts(one), _parts(other)
    return a.keys() == b.keys() and all(
        _form(a[key]) == _form(b[key]) and torch.allclose(a[key], b[key], rtol=0, atol=0, equal_nan=True) for key in a
    )


def _form(part: Tensor) -> str:
    return f"{tuple(part.shape)} {str(part.dtype).removeprefix('torch.')}"
