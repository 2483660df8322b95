"""Students whose parts' features are multiplied, for tasks on how the parts of an input go together."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from aft.models._backbone import Backbone, Batch
from aft.models._parts import PartsBackbone

#: Largest number of columns of the product.
WIDTH = 256


class ProductBackbone(PartsBackbone):
    """The elementwise product of linear maps of the parts' features: a linear head on it is a bilinear form of low rank.

    Each map is followed by a normalisation, so that the product keeps its scale whatever that of the parts is. All parts are trained in
    every step, since none can solve the task alone.

    Args:
        parts: The backbones, at least two.

    Source:
        Kim et al.: Hadamard Product for Low-rank Bilinear Pooling, ICLR 2017.
    """

    sign = "*"

    def __init__(self, parts: Sequence[Backbone]) -> None:
        super().__init__(parts)
        self.dim = min(WIDTH, *(part.dim for part in parts))
        self.maps = nn.ModuleList(nn.Linear(part.dim, self.dim) for part in parts)

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        first, *others = (
            F.layer_norm(own(self.part_features(number, batch)), (self.dim,)) for number, own in enumerate(self.maps)
        )
        for other in others:
            first = first * other
        return first
