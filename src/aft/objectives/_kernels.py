"""Kernels over a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

#: Added to norms, and to the mean under the square root, as in the paper's code.
EPSILON = 1e-8


def centre(features: Tensor) -> Tensor:
    """Subtract the batch mean from each dimension.

    The first row is subtracted before the mean is computed. In exact arithmetic this changes nothing. In
    floating point it makes a constant batch exactly zero, where rounding errors of the mean would otherwise
    remain for `unit_rows` to amplify, and it preserves precision when the mean is large.

    Args:
        features: ``(B, D)``.

    Returns:
        ``(B, D)``.
    """
    shifted = features - features[:1].detach()
    return shifted - shifted.mean(dim=0, keepdim=True)


def unit_rows(features: Tensor) -> Tensor:
    """Divide each row by its L2 norm plus 1e-8. A zero row stays zero and has a finite gradient.

    Args:
        features: ``(B, D)``.

    Returns:
        ``(B, D)``.
    """
    norms: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (norms + EPSILON)


def exact_unit_rows(features: Tensor) -> Tensor:
    """Divide each row by its L2 norm. A zero row stays zero and has no gradient through its norm.

    Args:
        features: ``(B, D)``.

    Returns:
        ``(B, D)``.
    """
    norms: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / torch.where(norms > 0, norms, torch.ones_like(norms))


def rbf(rows: Tensor) -> Tensor:
    """Compute ``exp(-||z_i - z_j||^2)`` for all pairs of rows.

    Args:
        rows: ``(B, D)``.

    Returns:
        ``(B, B)``, with ones on the diagonal.
    """
    gram = rows @ rows.T
    squares = gram.diagonal()
    return torch.exp(-(squares[:, None] + squares[None, :] - 2 * gram).clamp(min=0))


def product_kernel(features: Sequence[Tensor]) -> Tensor:
    """The linear kernel of the outer products of several features, centred and with unit rows, without computing any outer product.

    The Gram matrix of outer products is the elementwise product of the Gram matrices. Its double centring is the Gram matrix of the
    centred outer products, and their norms are the roots of its diagonal. Where the device has float64, it is used: centring takes the
    difference of nearly equal sums. A row whose norm is below its rounding errors is zero.

    Args:
        features: ``(B, D_m)`` for each factor.

    Returns:
        ``(B, B)`` with the dtype of the features.
    """
    dtype = features[0].dtype
    gram: Tensor | None = None
    for factor in features:
        wide = factor if factor.device.type == "mps" else factor.double()  # has no float64
        own = wide @ wide.T
        gram = own if gram is None else gram * own
    assert gram is not None
    largest = gram.diagonal().detach().abs().max()
    gram = gram - gram.mean(dim=0, keepdim=True)
    gram = gram - gram.mean(dim=1, keepdim=True)
    squares = gram.diagonal()
    positive = squares.detach() > 100 * torch.finfo(gram.dtype).eps * largest
    norms = torch.sqrt(torch.where(positive, squares, torch.ones_like(squares))) + EPSILON
    scale = torch.where(positive, 1 / norms, torch.zeros_like(norms))
    return (gram * scale[:, None] * scale[None, :]).to(dtype)
