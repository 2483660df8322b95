"""What a user's preprocessing is recognised by: its code, and the values, objects and code that it uses."""

import hashlib
import inspect
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aft.errors import ModelError, describe_exception


def preprocess_digest(preprocess: Callable[[Any], Any]) -> str:
    """SHA-256 of a function's source code and of what it uses, the same in every process.

    Raises:
        ModelError: What it uses cannot be described.
    """
    try:
        seen = [preprocess, getattr(preprocess, "__defaults__", None), _cells(preprocess)]
        if not inspect.isroutine(preprocess):
            seen.append(sorted((str(key), _stable(v)) for key, v in getattr(preprocess, "__dict__", {}).items()))
        described = source_of(preprocess if inspect.isroutine(preprocess) else type(preprocess)) + _stable(seen)
        held = "".join(_held(preprocess, {}, top=True))
    except Exception as error:  # objects of a user's classes can raise anything
        raise ModelError(
            f"preprocess= is recognised by its code and by what it uses; the latter cannot be read ({describe_exception(error)}); "
            "let it use simple values, arrays and objects"
        ) from error
    return hashlib.sha256((described + held).encode("utf-8", "surrogatepass")).hexdigest()


def source_of(code: Any) -> str:
    """The source code of a function or class; empty if it is not known."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return ""


def _held(value: Any, seen: dict[int, Any], *, top: bool = False) -> Iterator[str]:
    """What a value consists of, and what it uses: values, arrays, the code of functions and of their classes.

    Args:
        value: The value.
        seen: What has been described already, by its identity. It is kept alive, so that nothing else gets the same identity.
        top: Whether it is the preprocessing itself, whose source code is described elsewhere.
    """
    if value is None or isinstance(value, ModuleType) or id(value) in seen:
        return
    if isinstance(value, str | bytes | int | float | complex):
        yield repr(value)
        return
    seen[id(value)] = value
    if isinstance(value, Tensor):
        dense = value.detach().cpu().to_dense().resolve_conj()
        value = (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    elif isinstance(value, re.Pattern):
        yield f"{value.pattern!r}{value.flags}"
    elif isinstance(value, partial):
        yield from _held([value.func, value.args, value.keywords], seen)
    elif inspect.ismethod(value):
        yield from _held([value.__self__, value.__func__], seen)
    elif inspect.isfunction(value):
        yield "" if top else source_of(value)
        yield from _held([value.__defaults__, value.__kwdefaults__, _cells(value)], seen)
        yield from _globals_of(value, seen)
    elif isinstance(value, type):
        yield from _class(value, seen)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield f"{key}:"
            yield from _held(value[key], seen)
    elif isinstance(value, set | frozenset):
        yield from sorted("".join(_held(part, seen)) for part in value)
    elif isinstance(value, list | tuple | deque):
        for part in value:
            yield from _held(part, seen)
    else:
        yield from _class(type(value), seen)
        wrapped = getattr(value, "__wrapped__", None)  # of a cached function
        slots = [name for base in type(value).__mro__ for name in _names(base.__dict__.get("__slots__", ()))]
        yield from _held([getattr(value, "__dict__", {}), [getattr(value, s, None) for s in slots], wrapped], seen)


def _cells(function: Any) -> list[Any]:
    """The values of a function's closure; those that are not set yet are left out."""
    found = []
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):
            found.append(cell.cell_contents)
    return found


def _names(slots: Any) -> Sequence[str]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _globals_of(function: Any, seen: dict[int, Any]) -> Iterator[str]:
    """The values of a function's module that it uses; other modules' functions and classes have versions of their own."""
    codes = [function.__code__]
    for code in codes:  # lambdas, comprehensions and inner functions have code of their own
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    for name in sorted({name for code in codes for name in code.co_names}):
        part = function.__globals__.get(name)
        foreign = (inspect.isroutine(part) or isinstance(part, type)) and part.__module__ != function.__module__
        if part is not None and not isinstance(part, ModuleType) and not foreign:
            yield f"{name}="
            yield from _held(part, seen)


def _class(kind: type, seen: dict[int, Any]) -> Iterator[str]:
    """The source code of a class and of its bases, and what their methods use, unless they are of an installed package."""
    yield kind.__qualname__
    for base in kind.__mro__:
        if base is object or id(base) in seen or _is_installed(base):
            continue
        seen[id(base)] = base
        yield source_of(base)
        for name, method in sorted(base.__dict__.items()):
            if inspect.isfunction(method):
                yield f"{name}:"
                yield from _globals_of(method, seen)


def _is_installed(kind: type) -> bool:
    """Whether a class belongs to Python or to an installed package."""
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if kind.__module__ == "__main__":
        return False
    return file is None or "site-packages" in file or Path(file).is_relative_to(Path(re.__file__).parents[1])


def _stable(value: Any, above: tuple[int, ...] = ()) -> str:
    """A repr that does not depend on the process: sets are sorted, and memory addresses are left out."""
    if id(value) in above:
        return "..."
    inside = (*above, id(value))
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}({sorted(_stable(part, inside) for part in value)})"
    if isinstance(value, list | tuple):
        opening, closing = "[]" if isinstance(value, list) else "()"
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return opening + ", ".join(_stable(part, inside) for part in value) + comma + closing
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_stable(key)}: {_stable(part, inside)}" for key, part in value.items()) + "}"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
