"""A student of images as a model of timm, with a classifier, which timm alone loads."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aft.core import write_json
from aft.errors import ModelError
from aft.exporting._formats import Format, Written
from aft.exporting._samples import Samples, batches
from aft.exporting._weights import as_logits, label_head, save
from aft.models import TimmImage
from aft.runs import Model

FILE = "model.safetensors"


def write_timm(model: Model, folder: Path, _: Samples) -> dict[str, Written]:
    """Write a student in the layout that timm has on the hub.

    Args:
        model: The trained student, of the kind ``timm:``.
        folder: Where to write.
        _: Samples of the task, which are not needed.

    Returns:
        The model as timm loads it: with the student's own preprocessing, and with timm's, whose resizing rounds otherwise.

    Raises:
        ModelError: The student is not a whole model of timm, or its classifier is not one linear layer.
    """
    import timm
    import timm.data

    student = model.student
    backbone = _whole(model)
    network: Any = backbone.model
    architecture = network.pretrained_cfg.get("architecture") or backbone.name.partition(".")[0]
    arguments = {key: value for key, value in backbone.arguments.items() if key != "num_classes"}
    made = timm.create_model(architecture, pretrained=False, num_classes=model.targets.outputs, **arguments)
    weight, bias = label_head(student, model.targets)
    made.load_state_dict({**backbone.model.state_dict(), **_classifier(made, backbone, weight, bias)})
    save(made.state_dict(), folder / FILE)
    write_json(folder / "config.json", _config(model, made, architecture, arguments, backbone))

    opened: Any = cache(lambda: timm.create_model(f"local-dir:{folder}", pretrained=True).eval())

    def through(read: Callable[[Any], Tensor]) -> Callable[[Sequence[Any]], NDArray[np.float32]]:
        def outputs(inputs: Sequence[Any]) -> NDArray[np.float32]:
            with torch.inference_mode():
                made = [opened()(torch.stack([read(image) for image in part])) for part in batches(inputs)]
            return as_logits(torch.cat(made), model.targets).numpy()

        return outputs

    own = timm.data.create_transform(**timm.data.resolve_model_data_config(opened()), is_training=False)
    return {
        FILE: Written(FILE, through(lambda image: torch.from_numpy(backbone.images(image)))),
        "timm's resizing": Written(FILE, through(own)),
    }


def _whole(model: Model) -> TimmImage:
    """The student's backbone, if it is a whole model of timm."""
    backbone = model.student.backbone
    if not isinstance(backbone, TimmImage) or backbone.layer or backbone.keep_layers:
        raise ModelError(
            f"a whole model of timm is exported to timm; received {model.config.student.name}, which is more or less than that; "
            "export it to onnx or safetensors"
        )
    return backbone


def _classifier(made: nn.Module, backbone: TimmImage, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """The weights of the classifier by name: whatever the model has and the student's backbone has not."""
    own = {name: value for name, value in made.state_dict().items() if name not in backbone.model.state_dict()}
    given = {name: weight if value.ndim == 2 else bias for name, value in own.items()}
    if len(own) != 2 or any(given[name].shape != value.shape for name, value in own.items()):
        raise ModelError(
            f"a student is exported to timm if its classifier there is one linear layer; that of {backbone.name} has the tensors "
            f"{', '.join(own) or 'none'}; export it to onnx or safetensors"
        )
    return given


def _config(
    model: Model, made: Any, architecture: str, arguments: dict[str, Any], backbone: TimmImage
) -> dict[str, Any]:
    """What timm reads as ``config.json``."""
    images, classes = backbone.images, model.targets.classes
    target = round(images.size / images.crop)
    pretrained: dict[str, Any] = {
        "input_size": list(images.shape), "interpolation": images.interpolation, "crop_mode": "center",
        # timm rounds down, and the student does not.
        "crop_pct": images.crop if int(images.size / images.crop) == target else images.size / (target + 0.5),
        "mean": list(images.mean), "std": list(images.std), "num_classes": model.targets.outputs,
    }  # fmt: skip
    for name in ("classifier", "first_conv", "fixed_input_size"):
        if made.pretrained_cfg.get(name) is not None:
            pretrained[name] = made.pretrained_cfg[name]
    if classes:
        pretrained["label_names"] = list(classes)
    found = {"architecture": architecture, "num_classes": model.targets.outputs, "num_features": backbone.dim}
    return {**found, "pretrained_cfg": pretrained, **({"model_args": arguments} if arguments else {})}


USAGE = """
import timm

model = timm.create_model("local-dir:{folder}", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
logits = model(transform(image).unsqueeze(0))  # (1, C); the classes are model.pretrained_cfg["label_names"]
"""
TIMM = Format(write_timm, describes_inputs=False, library="timm", usage={"any": USAGE})
