"""Names of models: ``kind:name,option=value,...``, short names of known ones, and several joined by ``+`` or ``*``."""

import re
from dataclasses import dataclass, field
from typing import Any

from aft.catalogue import KNOWN_MODELS
from aft.errors import UsageError, did_you_mean

KINDS = ("timm", "hf", "st", "open_clip", "python", "aft")

#: What stands between the names of the parts of a student. Names of folders may hold these signs themselves.
_SHORT = "|".join(map(re.escape, KNOWN_MODELS))
JOIN = re.compile(rf"[+*](?=(?:{'|'.join(KINDS)}):|(?:{_SHORT})(?:[,+*]|$))")

#: Options that may follow the name of a model, and their types.
OPTIONS: dict[str, type] = {
    "layer": str,
    "pooling": str,
    "weights": str,
    "prompt": str,
    "max_length": int,
    "keep_layers": int,
    "image_size": int,
    "width": int,
    "layers": int,
    "heads": int,
    "hidden": int,
    "vocabulary": int,
    "dropout": float,
    "init": str,
    "reads": str,
}

#: Options of each kind of model. Others raise an error, since they would have no effect.
KIND_OPTIONS: dict[str, tuple[str, ...]] = {
    "timm": ("layer", "pooling", "weights", "image_size", "keep_layers"),
    "hf": (
        "layer", "pooling", "weights", "prompt", "max_length", "keep_layers", "image_size", "vocabulary", "dropout", "reads",
    ),
    "st": ("prompt", "max_length"),
    "open_clip": ("weights", "prompt", "reads"),
    "python": ("layer", "pooling", "weights", "reads"),
    "aft:ngrams": ("width", "hidden", "vocabulary", "dropout"),
    "aft:static": ("width", "hidden", "vocabulary", "max_length", "dropout", "prompt", "init"),
    "aft:cnn": ("width", "hidden", "vocabulary", "max_length", "dropout", "prompt", "init"),
    "aft:transformer": (
        "width", "layers", "heads", "vocabulary", "max_length", "dropout", "prompt", "pooling", "layer",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ModelSpec:
    """The parts of a model's name.

    Attributes:
        kind: ``"timm"``, ``"hf"``, ``"st"``, ``"open_clip"``, ``"python"`` or ``"aft"``.
        name: The model's name within its kind: a name on a hub, a local folder, or
            ``package.module:factory``.
        options: Options that follow the name.

    Example:
        >>> str(ModelSpec("timm", "resnet18", {"image_size": 64}))
        'timm:resnet18,image_size=64'
    """

    kind: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "ModelSpec":
        """Parse a name.

        Args:
            text: For example ``"timm:resnet18,image_size=64"``, ``"aft:static,width=128"`` or ``"dinov2-large"``, one of
                `KNOWN_MODELS`.

        Returns:
            The parts of the name. Those of a known model have the options that it calls for, unless others are given.

        Raises:
            UsageError: The kind is missing or unknown, an option is unknown, or a value has the wrong type.
        """
        if len(part_names(text)) > 1:
            raise UsageError(
                f"a teacher is one model, and several are used together; received {text!r}; name each of its parts as a teacher"
            )
        first, *pairs = text.split(",")
        known = KNOWN_MODELS.get(first)
        kind, colon, name = (known.spec if known else first).partition(":")
        if not colon or not name:
            near = did_you_mean(first, KNOWN_MODELS)
            remedy = "; write for example aft:static, timm:resnet18, hf:FOLDER, python:module:factory, or a name that aft models lists"
            raise UsageError(
                f"the name of a model has the form kind:name; received {text!r}{near if 'did you mean' in near else remedy}"
            )
        if kind not in KINDS:
            raise UsageError(f"unknown kind of model {kind!r} in {text!r}{did_you_mean(kind, KINDS)}")
        options: dict[str, Any] = dict(known.options) if known else {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if key not in OPTIONS or not equals:
                raise UsageError(f"unknown option {pair!r} of model {text!r}{did_you_mean(key, OPTIONS)}")
            try:
                options[key] = _checked(key, OPTIONS[key](value))
            except ValueError as error:
                allowed = "a whole number from 1 on" if OPTIONS[key] is int else "a number from 0 to less than 1"
                raise UsageError(f"option {key} is {allowed}; received {value!r} in {text!r}; correct it") from error
        return cls(kind, name, options)

    def __str__(self) -> str:
        return ",".join([f"{self.kind}:{self.name}", *(f"{key}={value}" for key, value in self.options.items())])


def part_names(name: str) -> list[str]:
    """The names of the parts of a student; one if it has no parts.

    Args:
        name: For example ``"aft:ngrams+hf:FOLDER,keep_layers=2"``.
    """
    return JOIN.split(name)


def parse_parts(name: str) -> list[ModelSpec]:
    """Parse the names of the parts of a student; one if it has no parts.

    Args:
        name: For example ``"aft:ngrams+hf:FOLDER,keep_layers=2"``.

    Raises:
        UsageError: As for `ModelSpec.parse` and `join_sign`.
    """
    join_sign(name)
    return list(map(ModelSpec.parse, part_names(name)))


def join_sign(name: str) -> str:
    """The sign between the names of the parts of a student, ``+`` or ``*``; empty if it has no parts.

    Args:
        name: For example ``"timm:resnet10t*aft:transformer"``.

    Raises:
        UsageError: There are both.
    """
    signs = set(JOIN.findall(name))
    if len(signs) > 1:
        raise UsageError(
            f"the parts of a student are joined by + or multiplied by *; received both in {name!r}; choose one of them"
        )
    return "".join(signs)


def _checked(key: str, value: Any) -> Any:
    """A value within the limits of its option: sizes are positive, and rates fractions."""
    if isinstance(value, int) and value < 1:
        raise ValueError(key)
    if isinstance(value, float) and not 0 <= value < 1:
        raise ValueError(key)
    return value
