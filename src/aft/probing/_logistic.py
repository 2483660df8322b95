"""Logistic regressions on several subsets of the samples of one feature table, solved together."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Kind = Literal["classification", "multilabel"]

#: Steps that L-BFGS remembers for its estimate of the curvature.
HISTORY = 12
MAX_STEPS = 200
MAX_HALVINGS = 12
#: Upper limit of output values, ``N x P x C``, that are computed at once.
MAX_OUTPUTS = 30_000_000


class Standardised:
    """A standardised feature table, with the remaining mean and scale of each problem's subset of the samples.

    Args:
        features: ``(N, D)``.
        members: ``(P, N)``, boolean: which samples each problem is fitted on.
        dtype: Precision to solve in.
    """

    def __init__(self, features: Tensor, members: Tensor, dtype: torch.dtype) -> None:
        x = features.to(dtype)
        self._mean, scale = x.mean(dim=0), x.std(dim=0, unbiased=False)
        # A constant dimension carries no information: its inverse scale is set to zero.
        tiny = 1e-8 if dtype == torch.float64 else 1e-6
        self._inverse = torch.where(scale > tiny * (1 + self._mean.abs()), 1 / scale, torch.zeros_like(scale))
        self.x = (x - self._mean) * self._inverse
        self.members = members
        self.share = members.to(dtype) / members.sum(dim=1, keepdim=True)
        self.mean = self.share @ self.x
        variance = self.share @ self.x.square() - self.mean.square()
        varies = variance > 100 * torch.finfo(dtype).eps * self.mean.square()
        self.inverse = torch.where(varies, variance.clamp(min=1e-30).rsqrt(), torch.zeros_like(variance))

    def original(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Convert the models to raw features: weight ``(P, C, D)`` and bias ``(P, C)``."""
        inner = weight * self.inverse[:, None, :]
        outer = inner * self._inverse
        return outer, bias - (inner * self.mean[:, None, :]).sum(dim=2) - outer @ self._mean


class LogisticProblems:
    """Penalised logistic regressions, one per subset of the samples, each standardised over its subset.

    Each problem minimises ``mean loss + penalty / 2 * ||weight||^2``. All problems read the same table, so
    one matrix product serves them all. The solver is L-BFGS with a separate step length for each problem,
    preconditioned by the covariance of the features. On standardised features the covariance accounts for
    nearly all of the Hessian's spread, so a few steps are enough.

    Args:
        table: The features.
        targets: Class indices ``(N,)``, or 0/1 ``(N, C)``.
        kind: Classification or multilabel.
        outputs: Number of outputs C.
        spectrum: Eigenvalues and eigenvectors of the covariance, from `spectrum`.
    """

    def __init__(
        self, table: Standardised, targets: Tensor, kind: Kind, outputs: int, spectrum: tuple[Tensor, Tensor]
    ) -> None:
        self._table, self._kind, self._outputs = table, kind, outputs
        self._targets = targets if kind == "classification" else targets.to(table.x.dtype)
        self._values, self._vectors = (part.to(table.x.dtype) for part in spectrum)
        self._problems = len(table.members)
        self._width = table.x.shape[1]

    def start(self) -> Tensor:
        """Return parameters of all zeros, ``(P, C, D + 1)``; the last column is the bias."""
        return self._table.x.new_zeros(self._problems, self._outputs, self._width + 1)

    def held_out(self, parameters: Tensor) -> Tensor:
        """Sum each problem's loss over the samples that it was not fitted on, ``(P,)``."""
        return torch.cat(
            [
                (self._losses(parameters, some)[0].double() * ~self._table.members[some].T).sum(dim=0)
                for some in self._chunks()
            ]
        )

    def solve(self, parameters: Tensor, penalty: float, tolerance: float) -> Tensor:
        """Minimise all problems.

        Args:
            parameters: Starting point, ``(P, C, D + 1)``.
            penalty: The L2 penalty.
            tolerance: A problem is solved when its loss is estimated to be this close to the minimum.

        Returns:
            The parameters at the minima, ``(P, C, D + 1)``.
        """
        curvature = self._curvature(parameters)
        value, gradient = self._evaluate(parameters, penalty)
        steps: list[tuple[Tensor, Tensor, Tensor]] = []
        done = torch.zeros_like(value, dtype=torch.bool)
        for _ in range(MAX_STEPS):
            preconditioned = self._precondition(gradient, curvature, penalty)
            done |= 0.5 * _dot(gradient, preconditioned) <= tolerance
            if bool(done.all()):
                break
            direction = -self._two_loop_recursion(gradient, preconditioned, steps, curvature, penalty)
            slope = _dot(gradient, direction)
            uphill = slope >= 0
            direction = torch.where(uphill[:, None, None], -preconditioned, direction)
            slope = torch.where(uphill, -_dot(gradient, preconditioned), slope)
            length = torch.where(done, 0.0, 1.0).to(value.dtype)
            slack = 8 * torch.finfo(gradient.dtype).eps * value.abs()
            for _ in range(MAX_HALVINGS):
                moved = parameters + length.to(parameters.dtype)[:, None, None] * direction
                new_value, new_gradient = self._evaluate(moved, penalty)
                bad = new_value > value + 1e-4 * length * slope + slack
                if not bool(bad.any()):
                    break
                length = torch.where(bad, length / 2, length)
            else:
                # No step length lowers the loss: the minimum is reached to within the precision.
                done |= bad
                moved = torch.where(bad[:, None, None], parameters, moved)
                new_value, new_gradient = self._evaluate(moved, penalty)
            step, change = moved - parameters, new_gradient - gradient
            product = _dot(step, change)
            steps = [*steps[1 - HISTORY :], (step, change, torch.where(product > 0, 1 / product, 0.0))]
            parameters, value, gradient = moved, new_value, new_gradient
        return parameters

    def _chunks(self) -> list[slice]:
        """Split the problems so that the outputs of each chunk stay within MAX_OUTPUTS."""
        step = max(1, MAX_OUTPUTS // (len(self._table.x) * self._outputs))
        return [slice(start, min(start + step, self._problems)) for start in range(0, self._problems, step)]

    def _losses(self, parameters: Tensor, some: slice) -> tuple[Tensor, Tensor]:
        """Loss of each sample in some problems ``(N, p)``, and its gradient at the outputs ``(N, p, C)``."""
        table = self._table
        inner = parameters[some, :, :-1] * table.inverse[some, None, :]
        bias = parameters[some, :, -1] - (inner * table.mean[some, None, :]).sum(dim=2)
        outputs = torch.addmm(bias.flatten(), table.x, inner.flatten(0, 1).T).view(-1, *bias.shape)
        if self._kind == "multilabel":
            targets = self._targets[:, None, :]
            losses = (F.softplus(outputs) - outputs * targets).mean(dim=2)
            return losses, (torch.sigmoid(outputs) - targets) / self._outputs
        logs = outputs.log_softmax(dim=2)
        place = self._targets[:, None, None].expand(-1, logs.shape[1], 1)
        losses = -logs.gather(2, place)[..., 0]
        return losses, logs.exp_().scatter_add_(2, place, logs.new_full((), -1.0).expand(place.shape))

    def _evaluate(self, parameters: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
        """Penalised loss of each problem ``(P,)``, and its gradient ``(P, C, D + 1)``."""
        table = self._table
        weight = parameters[..., :-1]
        value = 0.5 * penalty * weight.double().square().sum(dim=(1, 2))
        gradient = torch.empty_like(parameters)
        for some in self._chunks():
            losses, slopes = self._losses(parameters, some)
            share = table.share[some].T
            value[some] += (losses.double() * share).sum(dim=0)
            slopes *= share[..., None]
            at_bias = slopes.sum(dim=0)
            at_weight = (slopes.flatten(1).T @ table.x).view_as(weight[some])
            at_weight = (at_weight - at_bias[..., None] * table.mean[some, None, :]) * table.inverse[some, None, :]
            gradient[some, :, :-1] = at_weight + penalty * weight[some]
            gradient[some, :, -1] = at_bias
        return value, gradient

    def _curvature(self, parameters: Tensor) -> Tensor:
        """Mean second derivative of the loss at the outputs, ``(P,)``."""
        found = []
        for some in self._chunks():
            _, slopes = self._losses(parameters, some)
            if self._kind == "multilabel":
                probabilities = slopes * self._outputs + self._targets[:, None, :]
                each = (probabilities * (1 - probabilities)).mean(dim=2) / self._outputs
            else:
                place = self._targets[:, None, None].expand(-1, slopes.shape[1], 1)
                probabilities = slopes.scatter_add_(2, place, slopes.new_ones(()).expand(place.shape))
                each = (1 - probabilities.square().sum(dim=2)) / max(1, self._outputs - 1)
            found.append((each * self._table.share[some].T).sum(dim=0))
        return torch.cat(found).clamp(min=1e-4)

    def _precondition(self, gradient: Tensor, curvature: Tensor, penalty: float) -> Tensor:
        """Multiply by the inverse of the Hessian that the covariance and the curvature predict."""
        weight, bias = gradient[..., :-1], gradient[..., -1:]
        stiff = (curvature[:, None] * self._values + penalty)[:, None, :]
        inside = weight @ self._vectors
        if self._vectors.shape[1] == self._width:
            solved = (inside / stiff) @ self._vectors.T
        else:
            solved = weight / penalty + (inside * (1 / stiff - 1 / penalty)) @ self._vectors.T
        return torch.cat([solved, bias / curvature[:, None, None]], dim=2)

    def _two_loop_recursion(
        self,
        gradient: Tensor,
        preconditioned: Tensor,
        steps: list[tuple[Tensor, Tensor, Tensor]],
        curvature: Tensor,
        penalty: float,
    ) -> Tensor:
        """Multiply the gradient by the inverse Hessian that L-BFGS estimates from past steps."""
        if not steps:
            return preconditioned
        remainder, factors = gradient, []
        for step, change, inverse in reversed(steps):
            factor = inverse * _dot(step, remainder)
            remainder = remainder - factor.to(remainder.dtype)[:, None, None] * change
            factors.append(factor)
        result = self._precondition(remainder, curvature, penalty)
        for (step, change, inverse), factor in zip(steps, reversed(factors), strict=True):
            result = result + (factor - inverse * _dot(change, result)).to(result.dtype)[:, None, None] * step
        return result


def spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the eigendecomposition of the covariance of standardised features from the smaller Gram matrix.

    Args:
        x: ``(N, D)``.

    Returns:
        Eigenvalues ``(r,)`` and eigenvectors ``(D, r)``, where r is D, or the rank if there are fewer samples
        than dimensions.
    """
    n = len(x)
    if n >= x.shape[1]:
        values, vectors = _eigh(x.T @ x / n)
        return values.clamp(min=0), vectors
    values, left = _eigh(x @ x.T / n)
    kept = values > 1e-5 * values[-1]
    return values[kept], x.T @ (left[:, kept] / (values[kept] * n).sqrt())


def _eigh(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors; in float64 where LAPACK finds none in float32, as in matrices of low rank on some processors."""
    try:
        values, vectors = torch.linalg.eigh(symmetric)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        values, vectors = (found.to(symmetric.dtype) for found in torch.linalg.eigh(symmetric.double()))
    return values, vectors


def _dot(one: Tensor, two: Tensor) -> Tensor:
    """Dot product of each problem's parameters, ``(P,)``, in float64."""
    product: Tensor = torch.linalg.vecdot(one.flatten(1), two.flatten(1))
    return product.double()
