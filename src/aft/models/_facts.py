"""What is known of a model by its name alone, before anything is loaded."""

import math
from dataclasses import dataclass

import torch

from aft.catalogue import KNOWN_MODELS, measured_students
from aft.models import _cnn, _hf_common, _module, _ngrams, _static
from aft.models._backbone import Recipe
from aft.models._product import WIDTH
from aft.models._spec import ModelSpec, join_sign, parse_parts


@dataclass(frozen=True)
class ModelFacts:
    """Size and usual training of a model.

    Attributes:
        name: Its name.
        parameters: Number of parameters; None if only the model itself can say.
        width: Width of its features; None if only the model itself can say.
        recipe: How it is usually trained.
    """

    name: str
    parameters: int | None
    width: int | None
    recipe: Recipe

    def __str__(self) -> str:
        size = (
            "parameters are counted once it is loaded"
            if self.parameters is None
            else f"{_count(self.parameters)} parameters"
        )
        return f"{self.name}: {size}" + (f", {self.width:,} features" if self.width is not None else "")


def model_facts(name: str, inputs: str = "") -> ModelFacts:
    """Collect what is known of a model, or of a student of several parts.

    Args:
        name: The name.
        inputs: What it is going to read, such as ``"image+text"``: a model that embeds both gives more features for both.

    Returns:
        The facts.

    Raises:
        UsageError: The name is not one of a model.

    Example:
        >>> print(model_facts("dinov2-giant"))
        dinov2-giant: 1.1 B parameters, 1,536 features
    """
    parts = [_of_part(spec, inputs) for spec in parse_parts(name)]
    if len(parts) == 1:
        return ModelFacts(name, *parts[0])
    sizes, widths, recipes = zip(*parts, strict=True)
    known = None not in widths
    width = None if not known else min(WIDTH, *widths) if join_sign(name) == "*" else sum(widths)
    return ModelFacts(name, None if None in sizes else sum(sizes), width, min(recipes, key=lambda recipe: recipe.lr))


def _of_part(spec: ModelSpec, inputs: str) -> tuple[int | None, int | None, Recipe]:
    """Parameters, width and recipe of a single model."""
    random = spec.options.get("weights") == "random"
    if spec.kind == "timm":
        from aft.models._timm import PRETRAINED, SCRATCH, require_timm

        with torch.device("meta"):  # neither weights nor memory
            model = require_timm().create_model(spec.name, num_classes=0)
        width = getattr(model, "head_hidden_size", None) or model.num_features
        return sum(map(torch.numel, model.parameters())), int(width), SCRATCH if random else PRETRAINED
    if spec.kind == "aft":
        recipe = {"ngrams": _ngrams.RECIPE, "static": _static.RECIPE, "cnn": _cnn.RECIPE}.get(
            spec.name, _hf_common.SCRATCH
        )
        measured = next((one for one in measured_students() if one.name == str(spec)), None)
        return (measured.parameters if measured else None), None, recipe
    if spec.kind == "python":
        return None, None, _module.RECIPE
    recipe = _hf_common.SCRATCH if random else _hf_common.PRETRAINED
    known = next((one for one in KNOWN_MODELS.values() if one.spec == f"{spec.kind}:{spec.name}"), None)
    if known is None or "keep_layers" in spec.options or "vocabulary" in spec.options:
        return None, None if known is None else known.width, recipe
    if known.inputs != "image+text":
        return round(known.millions * 1e6), known.width, recipe
    if "reads" in spec.options or inputs in ("image", "text"):
        return None, known.width, recipe  # one of its towers
    return round(known.millions * 1e6), known.width * (3 if inputs == "image+text" else 1), recipe


def _count(parameters: int) -> str:
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= limit:
            shown = parameters / limit
            return f"{shown:.{max(0, 1 - int(math.log10(shown)))}f} {unit}"
    return str(parameters)
