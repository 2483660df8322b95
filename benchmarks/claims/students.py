"""The image students of the claims, built from parts of timm. They train in seconds."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn

Preprocess = Callable[[Image.Image], torch.Tensor]


def small_resnet() -> tuple[nn.Module, Preprocess]:
    """Build a residual network with nine convolutions for 32 x 32 pixels (0.3 M parameters)."""
    return ResNet(BasicBlock, layers=(1, 1, 1, 1), channels=(16, 32, 64, 128), num_classes=0), preprocess


def small_vit() -> tuple[nn.Module, Preprocess]:
    """Build a vision transformer with three blocks for 32 x 32 pixels, in patches of 8 x 8 (0.2 M parameters)."""
    return VisionTransformer(
        img_size=32, patch_size=8, embed_dim=64, depth=3, num_heads=2, num_classes=0, global_pool="avg", class_token=False,
        fc_norm=True,
    ), preprocess  # fmt: skip


def preprocess(image: Image.Image) -> torch.Tensor:
    """Resize an image to 32 x 32 pixels, with values between -1 and 1."""
    pixels = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC), dtype=np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)
