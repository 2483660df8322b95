"""The image students of the claims: small enough to train in seconds, made of timm's parts."""

from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn


def small_resnet() -> nn.Module:
    """A residual network of 8 convolutions for 32 x 32 pixels."""
    return ResNet(BasicBlock, layers=[1, 1, 1], channels=[24, 48, 96], num_classes=0, stem_width=24)


def small_vit() -> nn.Module:
    """A vision transformer of 3 blocks for 32 x 32 pixels, in patches of 4."""
    return VisionTransformer(img_size=32, patch_size=4, embed_dim=96, depth=3, num_heads=3, num_classes=0, global_pool="avg", class_token=False, fc_norm=True)
