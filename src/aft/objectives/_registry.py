"""Objectives by the name that the command line and run folders use."""

from collections.abc import Mapping
from typing import Any

from aft.errors import UsageError, did_you_mean, name_some
from aft.objectives._aft import AFT
from aft.objectives._b_tuning import BTuning
from aft.objectives._base import Objective
from aft.objectives._cka import CKA
from aft.objectives._factor_transfer import FactorTransfer
from aft.objectives._kd import KD
from aft.objectives._probe_kd import ProbeKD
from aft.objectives._transforms import REMEDIES, Remedied
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

#: What is used where nobody asks for a method: what came out best on validation data over all tasks, whatever its name
#: (benchmarks/claims/default_method.py).
DEFAULT_METHOD = "aft+probe-kd"


def objectives_of(method: str) -> tuple[str, ...]:
    """The objectives of a method: none of ``finetune``, one of ``aft``, two of ``aft@whiten+probe-kd``.

    Args:
        method: A name of `METHODS`, or several of them, joined by ``+``; each may be followed by `REMEDIES`, after an ``@`` each.

    Returns:
        The objectives, with their remedies.

    Raises:
        UsageError: An unknown name, the same objective twice, or ``finetune`` beside others.
    """
    parts = method.split("+")
    names = [_checked(part) for part in parts]
    if len(set(names)) != len(names) or ("finetune" in names and method != "finetune"):
        raise UsageError(
            f"a method joins different objectives by +; received {method!r}; write for example aft+probe-kd"
        )
    return () if method == "finetune" else tuple(parts)


def _checked(part: str) -> str:
    name, *remedies = part.split("@")
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}{did_you_mean(name, METHODS)}")
    for remedy in remedies:
        if remedy not in REMEDIES:
            raise UsageError(f"unknown remedy {remedy!r}{did_you_mean(remedy, REMEDIES)}")
    return name


def objective_class(part: str) -> type[Objective]:
    """The class of an objective.

    Args:
        part: One of `objectives_of` a method.

    Returns:
        Its class; `Remedied` for one with remedies.
    """
    name, remedies, _ = part.partition("@")
    kind = Remedied if remedies else METHODS[name]
    assert kind is not None
    return kind


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Check whose options these are, before anything is computed.

    Args:
        method: A method's name.
        options: The objective's own, or, where the method joins several, a mapping of options for each.

    Raises:
        UsageError: Options of no objective of a method that joins several.
    """
    parts = objectives_of(method)
    if len(parts) > 1:
        for name, own in options.items():
            if name not in parts or not isinstance(own, Mapping):
                raise UsageError(
                    f"options of method {method!r} go by its objectives, {name_some(parts)}; received {name!r}; "
                    f"write for example {{{parts[0]!r}: {{...}}}}, or choose a single method"
                )


def make_objective(
    method: str, teacher_dims: Mapping[str, int], student_dim: int, options: Mapping[str, Any] | None = None
) -> Objective:
    """Make an objective by its name.

    Args:
        method: One of `objectives_of` a method.
        teacher_dims: Width of each teacher's features, by name.
        student_dim: Width of the student's features.
        options: The objective's keyword options; with remedies, ``task`` is for both.

    Returns:
        The objective.

    Raises:
        UsageError: An unknown method or option.
    """
    name, *remedies = objectives_of(method)[0].split("@")
    given = dict(options or {})
    kind = objective_class(name)
    own = given if kind.needs_task or not remedies else {k: v for k, v in given.items() if k not in ("task", "outputs")}
    try:
        objective = kind(teacher_dims, student_dim, **own)
    except TypeError as error:
        raise UsageError(f"method {method!r} does not take these options; received {given}; {error}") from error
    return Remedied(objective, remedies, task=given.get("task", "classification")) if remedies else objective
