"""Names of models: ``kind:name,option=value,...``."""

from dataclasses import dataclass, field
from typing import Any

from aft.errors import UsageError, did_you_mean

KINDS = ("timm", "hf", "st", "python", "aft")

#: Options that a model's name may carry, with the type of each.
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
    "embeddings": str,
}


#: Which of them a kind of model takes; the others are refused, not ignored.
KIND_OPTIONS: dict[str, tuple[str, ...]] = {
    "timm": ("layer", "pooling", "weights", "image_size", "keep_layers"),
    "hf": ("layer", "pooling", "weights", "prompt", "max_length", "keep_layers", "image_size", "vocabulary"),
    "st": ("prompt", "max_length"),
    "python": ("layer", "pooling", "weights"),
    "aft:static": ("width", "hidden", "vocabulary", "max_length", "dropout", "prompt", "embeddings"),
    "aft:transformer": (
        "width", "layers", "heads", "vocabulary", "max_length", "dropout", "prompt", "pooling", "layer",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ModelSpec:
    """A model's name, taken apart.

    Attributes:
        kind: One of ``timm``, ``hf``, ``st``, ``python``, ``aft``.
        name: What that kind calls the model: a name on a hub, a folder, ``package.module:factory``.
        options: What was said beyond the name.
    """

    kind: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "ModelSpec":
        """Read a name.

        Args:
            text: For example ``"timm:resnet18,image_size=64"`` or ``"aft:static,width=128"``.

        Returns:
            Its parts.

        Raises:
            UsageError: No kind, an unknown kind or option, or a value of the wrong type.
        """
        kind, colon, rest = text.partition(":")
        if not colon or not rest:
            raise UsageError(
                f"a model is named kind:name; received {text!r}; write for example timm:resnet18, hf:FOLDER or python:module:factory"
            )
        if kind not in KINDS:
            raise UsageError(f"unknown kind of model {kind!r} in {text!r}{did_you_mean(kind, KINDS)}")
        name, *pairs = rest.split(",")
        options: dict[str, Any] = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if key not in OPTIONS or not equals:
                raise UsageError(f"unknown option {pair!r} of model {text!r}{did_you_mean(key, OPTIONS)}")
            try:
                options[key] = OPTIONS[key](value)
            except ValueError as error:
                raise UsageError(
                    f"option {key} is {'a whole number' if OPTIONS[key] is int else 'a number'}; received {value!r} in {text!r}; correct it"
                ) from error
        return cls(kind, name, options)

    def __str__(self) -> str:
        return ",".join([f"{self.kind}:{self.name}", *(f"{key}={value}" for key, value in self.options.items())])
