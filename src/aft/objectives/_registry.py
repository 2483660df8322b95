"""Objectives by the name that the command line and run folders use."""

from collections.abc import Mapping
from typing import Any

from aft.errors import UsageError, did_you_mean
from aft.objectives._aft import AFT
from aft.objectives._b_tuning import BTuning
from aft.objectives._base import Objective
from aft.objectives._cka import CKA
from aft.objectives._factor_transfer import FactorTransfer
from aft.objectives._kd import KD
from aft.objectives._probe_kd import ProbeKD
from aft.objectives._rkd import RKD
from aft.objectives._sp import SP

#: Name to class; ``finetune`` is the same training without an objective.
METHODS: dict[str, type[Objective] | None] = {
    "finetune": None,
    "aft": AFT,
    "kd": KD,
    "rkd": RKD,
    "sp": SP,
    "cka": CKA,
    "ft": FactorTransfer,
    "b-tuning": BTuning,
    "probe-kd": ProbeKD,
}


def parts_of(method: str) -> tuple[str, ...]:
    """The objectives of a method: none of ``finetune``, one of ``aft``, two of ``aft+probe-kd``.

    Args:
        method: A name of `METHODS`, or several of them, joined by ``+``.

    Returns:
        Names of `METHODS` that are objectives.

    Raises:
        UsageError: An unknown name, the same one twice, or ``finetune`` beside others.
    """
    names = method.split("+")
    for name in names:
        if name not in METHODS:
            raise UsageError(f"unknown method {name!r}{did_you_mean(name, METHODS)}")
    if len(set(names)) != len(names) or (len(names) > 1 and "finetune" in names):
        raise UsageError(
            f"a method joins different objectives by +; received {method!r}; write for example aft+probe-kd"
        )
    return tuple(name for name in names if METHODS[name] is not None)


def kind_of(part: str) -> type[Objective]:
    """The class of an objective by its name, one of `parts_of` a method."""
    kind = METHODS[part]
    assert kind is not None
    return kind


def make_objective(
    method: str, teacher_dims: Mapping[str, int], student_dim: int, options: Mapping[str, Any] | None = None
) -> Objective:
    """Make an objective by its name.

    Args:
        method: One of `parts_of` a method.
        teacher_dims: Width of each teacher's features, by name.
        student_dim: Width of the student's features.
        options: The objective's keyword options.

    Returns:
        The objective.

    Raises:
        UsageError: An unknown method or option.
    """
    chosen = kind_of(parts_of(method)[0])
    try:
        return chosen(teacher_dims, student_dim, **(options or {}))
    except TypeError as error:
        raise UsageError(
            f"method {method!r} does not take these options; received {dict(options or {})}; {error}"
        ) from error
