"""Image models of timm."""

from typing import Any

import torch
from torch import Tensor, nn

from aft.core import first_sentence
from aft.errors import MissingExtraError, ModelError, UsageError, did_you_mean
from aft.models._backbone import Backbone, Batch, Recipe, Role, load_weights
from aft.models._capture import attach
from aft.models._image_backbone import ImageBackbone
from aft.models._layers import keep_first_layers
from aft.models._spec import ModelSpec
from aft.preprocessing import ImagePreprocessing

PRETRAINED = Recipe(lr=3e-4, epochs=15, batch_size=64)
SCRATCH = Recipe(lr=1e-3, weight_decay=0.05, epochs=40, batch_size=64)


class TimmImage(ImageBackbone):
    """A timm model without its classifier; the pooled features before the classifier are the features.

    Args:
        name: Name of the model in timm.
        model: The model.
        images: Its preprocessing.
        arguments: Arguments that it was created with by `timm.create_model`.
        layer: Path of the layer whose output to use; by default the pooled features.
        pooling: How to pool that layer: ``"mean"``, ``"max"``, ``"cls"`` or ``"flatten"``.
        keep_layers: Number of blocks that were kept; None if the model was not shortened.
        recipe: Default training settings.
    """

    def __init__(
        self, name: str, model: nn.Module, images: ImagePreprocessing, arguments: dict[str, Any], *, layer: str | None,
        pooling: str, keep_layers: int | None, recipe: Recipe,
    ) -> None:  # fmt: skip
        super().__init__()
        self.name = name
        self.model = model
        self.images = images
        self.arguments = arguments
        self.layer = layer
        self.pooling = pooling
        self.keep_layers = keep_layers
        self.recipe = recipe
        self._captured = attach(model, layer, pooling)[0] if layer else None  # type: ignore[arg-type]
        with torch.no_grad():
            self.dim = self.eval()({"image": torch.zeros(1, *images.shape)}).shape[1]

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        output: Tensor = self.model(batch["image"])
        return output if self._captured is None else self._captured.features

    @property
    def network(self) -> nn.Module:
        """The model of timm."""
        return self.model

    def at_layer(self, layer: str | None, pooling: str | None, example: Any) -> Backbone:
        """A backbone over the same model at another layer."""
        return TimmImage(
            self.name, self.model, self.images, self.arguments, layer=layer, pooling=pooling or "mean",
            keep_layers=self.keep_layers, recipe=self.recipe,
        )  # fmt: skip

    def config(self) -> dict[str, Any]:
        """The name, the arguments and the settings of the model."""
        return {
            "class": "timm", "name": self.name, "arguments": self.arguments, "images": self.images.describe(),
            "layer": self.layer, "pooling": self.pooling, "keep_layers": self.keep_layers,
        }  # fmt: skip

    @classmethod
    def restore(cls, config: dict[str, Any]) -> "TimmImage":
        """Recreate the model with random weights."""
        model = require_timm().create_model(config["name"], pretrained=False, **config["arguments"])
        if config["keep_layers"]:
            keep_first_layers(model, config["keep_layers"])
        return cls(
            config["name"], model, ImagePreprocessing(**config["images"]), config["arguments"], layer=config["layer"],
            pooling=config["pooling"], keep_layers=config["keep_layers"], recipe=SCRATCH,
        )  # fmt: skip


def load_timm(spec: ModelSpec, role: Role) -> TimmImage:
    """Load ``timm:NAME``.

    Args:
        spec: The name with its options ``weights``, ``layer``, ``pooling``, ``image_size`` and
            ``keep_layers``.
        role: ``"teacher"`` or ``"student"``, for messages.

    Returns:
        The backbone.

    Raises:
        ModelError: timm has no such model, or its weights cannot be loaded.
        UsageError: The option ``pooling`` without ``layer``.
        MissingExtraError: timm is not installed.
    """
    timm = require_timm()
    options = spec.options
    weights = options.get("weights", "pretrained")
    if options.get("pooling") and not options.get("layer"):
        raise UsageError(
            f"timm:{spec.name} has a pooling of its own; received pooling={options['pooling']!r} without a layer; "
            "name one with layer="
        )
    base = spec.name.removeprefix("hf_hub:").partition(".")[0]
    if not spec.name.startswith(("hf_hub:", "hf-hub:")) and not timm.is_model(base):
        raise ModelError(f"timm has no model {spec.name!r}{did_you_mean(base, timm.list_models())}")
    arguments: dict[str, Any] = {"num_classes": 0}
    size = options.get("image_size")
    if size and _takes_image_size(base):
        arguments["img_size"] = size
    try:
        model = timm.create_model(spec.name, pretrained=weights == "pretrained", **arguments)
    except Exception as error:  # the hub's client raises many types of exceptions
        raise ModelError(
            f"timm:{spec.name} needs its weights from the hub; they could not be loaded ({first_sentence(error)}); without a "
            "network, pass the path of a downloaded file as weights="
            + (", or start from random weights with weights='random'" if role == "student" else "")
        ) from error
    if options.get("keep_layers"):
        keep_first_layers(model, options["keep_layers"])
    if weights not in ("pretrained", "random"):
        load_weights(model, weights)
    data = timm.data.resolve_model_data_config(model)
    images = ImagePreprocessing(
        size=size or data["input_size"][1], crop=1.0 if size else data["crop_pct"], interpolation=data["interpolation"],
        mean=tuple(data["mean"]), std=tuple(data["std"]),
    )  # fmt: skip
    return TimmImage(
        spec.name, model, images, arguments, layer=options.get("layer"), pooling=options.get("pooling", "mean"),
        keep_layers=options.get("keep_layers"), recipe=SCRATCH if weights == "random" else PRETRAINED,
    )  # fmt: skip


def require_timm() -> Any:
    """Import timm.

    Raises:
        MissingExtraError: timm is not installed.
    """
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise MissingExtraError(
            "image models need timm, which is not installed; run pip install 'adaptive-feature-transfer[vision]'"
        ) from error
    return timm


def _takes_image_size(name: str) -> bool:
    """Whether a model must know the image size in advance: transformers have one position per patch."""
    return any(word in name for word in ("vit", "deit", "swin", "beit", "eva", "mixer", "cait", "xcit"))
