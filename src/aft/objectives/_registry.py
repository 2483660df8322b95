"""Objectives by the names that the command line and run directories use."""

import inspect
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
from aft.objectives._rkd import RKD
from aft.objectives._sp import SP
from aft.objectives._transformed import Transformed, check_known

#: Classes of objectives by name. ``finetune`` is the same training without an objective.
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

#: Parameters of objectives that are no options.
GIVEN = ("teacher_dims", "student_dim", "task", "outputs", "factors")
#: The method that is used by default: the best one on validation data over all benchmark tasks
#: (benchmarks/claims/default_method.py).
DEFAULT_METHOD = "aft+probe-kd"


def objectives_of(method: str) -> tuple[str, ...]:
    """Split a method into its objectives.

    Args:
        method: One or several names from `METHODS`, joined by ``+``. Each name may be followed by names from
            `OBJECTIVE_OPTIONS`, each after an ``@``.

    Returns:
        The objectives with their options; empty for ``finetune``.

    Raises:
        UsageError: A name is unknown, an objective occurs twice, or ``finetune`` is joined with others.

    Example:
        >>> objectives_of("aft@whiten+probe-kd")
        ('aft@whiten', 'probe-kd')
    """
    objectives = method.split("+")
    names = [_checked_name(objective) for objective in objectives]
    if len(set(names)) != len(names) or ("finetune" in names and method != "finetune"):
        raise UsageError(
            f"a method must join different objectives with +; received {method!r}; write for example aft+probe-kd"
        )
    return () if method == "finetune" else tuple(objectives)


def _checked_name(objective: str) -> str:
    name, *options = objective.split("@")
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}{did_you_mean(name, METHODS)}")
    check_known(options)
    return name


def objective_class(objective: str) -> type[Objective]:
    """Return the class of an objective.

    Args:
        objective: One of the `objectives_of` a method.

    Returns:
        Its class; `Transformed` if the objective has options after an ``@``.
    """
    name, options, _ = objective.partition("@")
    found = Transformed if options else METHODS[name]
    assert found is not None
    return found


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Check that keyword options can be assigned to the objectives of a method, before anything is computed.

    Args:
        method: A method.
        options: The keyword options of its objective. If the method joins several objectives, a mapping of
            each objective to its keyword options.

    Raises:
        UsageError: The method joins several objectives, and an option is not assigned to one of them.
    """
    objectives = objectives_of(method)
    if len(objectives) > 1:
        for name, own in options.items():
            if name not in objectives or not isinstance(own, Mapping):
                raise UsageError(
                    f"the options of method {method!r} must be grouped by objective, {name_some(objectives)}; "
                    f"received {name!r}; write for example {{{objectives[0]!r}: {{...}}}}, or choose a single objective"
                )


def make_objective(
    objective: str, teacher_dims: Mapping[str, int], student_dim: int, options: Mapping[str, Any] | None = None
) -> Objective:
    """Construct an objective from its name.

    Args:
        objective: One of the `objectives_of` a method.
        teacher_dims: Width of each teacher's features, keyed by name.
        student_dim: Width of the student's features.
        options: Keyword options of the objective's class. `Transformed` also uses ``task``.

    Returns:
        The objective.

    Raises:
        UsageError: The name or a keyword option is unknown.

    Example:
        >>> make_objective("aft@whiten", {"clip": 512}, student_dim=64, options={"gates": "fixed"})
    """
    name, *after_at = objectives_of(objective)[0].split("@")
    keywords = dict(options or {})
    base_class = objective_class(name)
    own = keywords
    if after_at and not base_class.needs_task:
        own = {key: value for key, value in keywords.items() if key not in ("task", "outputs")}
    try:
        made = base_class(teacher_dims, student_dim, **own)
    except TypeError as error:
        known = [name for name in inspect.signature(base_class).parameters if name not in GIVEN]
        unknown = [name for name in own if name not in (*known, *GIVEN)]
        raise UsageError(
            f"an objective takes options of its own; {objective!r} received {own!r}"
            + (did_you_mean(unknown[0], known) or "; it takes none" if unknown else "; correct the value's type")
        ) from error
    return Transformed(made, after_at, task=keywords.get("task", "classification")) if after_at else made
