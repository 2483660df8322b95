"""The image students of the claims: small enough to train in seconds, made of timm's parts."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn

Preprocess = Callable[[Image.Image], torch.Tensor]


def small_resnet() -> tuple[nn.Module, Preprocess]:
    """A residual network of nine convolutions for 32 x 32 pixels (0.3 M parameters)."""
    return ResNet(BasicBlock, layers=(1, 1, 1, 1), channels=(16, 32, 64, 128), num_classes=0), preprocess


def small_vit() -> tuple[nn.Module, Preprocess]:
    """A vision transformer of three blocks for 32 x 32 pixels, in patches of 8 (0.2 M parameters)."""
    return VisionTransformer(
        img_size=32, patch_size=8, embed_dim=64, depth=3, num_heads=2, num_classes=0, global_pool="avg", class_token=False,
        fc_norm=True,
    ), preprocess  # fmt: skip


def preprocess(image: Image.Image) -> torch.Tensor:
    """32 x 32 pixels, in -1..1."""
    pixels = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC), dtype=np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)
