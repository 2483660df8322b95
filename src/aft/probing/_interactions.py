"""What a linear probe reads from teachers that see different parts of a sample, such as its image and its text."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from aft.probing._sample_keys import sample_keys

#: The most products of principal components.
PRODUCTS = 48 * 48
#: Directions with less than this share of the first one's variance are rounding errors of it.
NOTHING = 1e-6


class Interactions(nn.Module):
    """The features of all teachers and, over the factors, products of principal components.

    Whether an image and a text go together cannot be read from the sum of what each says. It takes products. Teachers that
    read the same part of a sample form a factor, whose features are concatenated. The leading principal components of each
    factor, scaled to unit variance, are multiplied with those of the others: 48 with 48 where there are two factors.

    Without factors it returns the features as they are.

    Args:
        features: Features ``(N, D_m)`` of training samples, keyed by teacher, that the components are computed from.
        factors: Names of the teachers of each factor, as `aft.features.factors_of` gives them. Folds are by the first one.

    Example:
        >>> interactions = Interactions({"clip": images, "mpnet": texts}, factors=[["clip"], ["mpnet"]])
        >>> interactions(torch.cat([images, texts], dim=1)).shape  # 512 + 768 + 48 * 48
        torch.Size([1000, 3584])
    """

    mean: Tensor
    directions: Tensor
    identifying: Tensor

    def __init__(self, features: Mapping[str, Tensor], factors: Sequence[Sequence[str]] = ()) -> None:
        super().__init__()
        widths = {name: part.shape[1] for name, part in features.items()}
        columns, first = _factor_columns(widths, factors), next(iter(features.values()))
        most = int(PRODUCTS ** (1 / max(1, len(factors))) + 1e-9)
        mean, directions = first.new_zeros(sum(widths.values()), dtype=torch.float32), []
        for factor, own in zip(factors, columns, strict=True):
            mean[own], scaled = _principal_components(
                torch.cat([features[name].float() for name in factor], dim=1), most
            )
            directions.append(mean.new_zeros(len(mean), scaled.shape[1]))
            directions[-1][own] = scaled
        self._widths = [part.shape[1] for part in directions]
        # Not in checkpoints: a resumed training computes them again, to the same numbers.
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer(
            "directions", torch.cat([mean.new_zeros(len(mean), 0), *directions], dim=1), persistent=False
        )
        self.register_buffer("identifying", torch.cat(columns[:1]) if columns else torch.arange(0), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Compute what a probe reads.

        Args:
            features: Concatenated features ``(B, D)``, in the order of the teachers.

        Returns:
            ``(B, D + P)``: the features, then the products.
        """
        if not self._widths:
            return features
        components = (features - self.mean.to(features.dtype)) @ self.directions.to(features.dtype)
        products, *others = components.split(self._widths, dim=1)
        for other in others:
            products = (products[:, :, None] * other[:, None, :]).flatten(1)
        return torch.cat([features, products], dim=1)

    def keys(self, features: Tensor) -> Tensor:
        """Compute keys of samples, equal for those that folds must not separate.

        An image that occurs with several texts is in one fold with all of them: a probe that was fitted on some of the pairs
        would know the image. The key is that of the first factor's features.

        Args:
            features: As for `forward`.

        Returns:
            ``(B,)``, int64; see `sample_keys`.
        """
        return sample_keys(features[:, self.identifying] if self._widths else features)


def _factor_columns(widths: Mapping[str, int], factors: Sequence[Sequence[str]]) -> list[Tensor]:
    """Indices of the columns of each factor in concatenated features."""
    start, columns = 0, {}
    for name, width in widths.items():
        columns[name] = torch.arange(start, start + width)
        start += width
    return [torch.cat([columns[name] for name in factor]) for factor in factors]


def _principal_components(features: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)``, and the leading directions ``(D, k)``, scaled to unit variance of their components."""
    wide = features.double()
    mean = wide.mean(dim=0)
    centred = wide - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(wide))
    values, vectors = values.flip(0)[:most].clamp(min=0), vectors.flip(1)[:, :most]
    kept = values > NOTHING * values[0]
    kept[0] = True  # so that there is one, even where nothing varies
    values, vectors = values[kept], vectors[:, kept]
    # The sign of a direction is arbitrary; this one does not depend on the solver.
    signs = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True)).sign()
    return mean.float(), (vectors * signs / values.clamp(min=torch.finfo(torch.float32).tiny).sqrt()).float()
