"""Objectives by the name that the command line and run folders use."""

from collections.abc import Mapping
from typing import Any

from aft.errors import UsageError, did_you_mean
from aft.objectives._aft import AFT
from aft.objectives._base import Objective
from aft.objectives._cka import CKA
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
    "probe-kd": ProbeKD,
}


def make_objective(
    method: str, teacher_dims: Mapping[str, int], student_dim: int, options: Mapping[str, Any] | None = None
) -> Objective | None:
    """Make the objective of a method.

    Args:
        method: A name of `METHODS`.
        teacher_dims: Width of each teacher's features, by name.
        student_dim: Width of the student's features.
        options: The objective's keyword options.

    Returns:
        The objective, or None for ``finetune``.

    Raises:
        UsageError: An unknown method or option.
    """
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}{did_you_mean(method, METHODS)}")
    chosen = METHODS[method]
    if chosen is None:
        return None
    try:
        return chosen(teacher_dims, student_dim, **(options or {}))
    except TypeError as error:
        raise UsageError(
            f"method {method!r} does not take these options; received {dict(options or {})}; {error}"
        ) from error
