"""Factor transfer: the student's features, translated, follow a compressed form of the teachers'."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aft.errors import UsageError
from aft.objectives._base import Objective

SEED = 0
LR = 3e-4
PATIENCE = 10
BATCH = 32
#: Samples that an autoencoder is shown, repeats included, where no number of epochs is asked for: about 600 steps. On 2,000 features
#: of 768 dimensions they leave 45 % of the variance in 8 s on one thread; twice as many leave 32 %, in twice the time.
SHOWN = 20_000
#: One training sample in this many is held out, to stop on.
HELD_OUT = 10


class FactorTransfer(Objective):
    """Match factors: ``mean(||u - v||_1)``, u and v the student's and the teachers' factors, at unit L2 length.

    A teacher's factor is the code of an autoencoder of its features, ``D -> D -> D/2 -> D/2`` with ReLU between (the paraphraser) and
    mirrored back, fitted in `prepare` and then fixed; the factors of all teachers stand side by side. The student's is
    that of a learned translator, ``d -> d -> F -> F`` with F the teachers' factors together, whose last weight starts at zero: at
    the start the objective moves nothing but the translator.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by name. D/2 is rounded down, to at least 1.
        student_dim: Width ``d`` of the student's features.
        max_epochs: The paraphraser trains until its error on held-out training features has not fallen for 10 epochs, and no longer
            than this many; by default as many as show it 20,000 samples, repeats included.

    Raises:
        UsageError: ``max_epochs`` below 1.

    Source:
        Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, NeurIPS 2018.

    Example:
        >>> objective = FactorTransfer({"clip": 512}, student_dim=64)
        >>> objective.prepare({"clip": training_features})
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    needs_preparation = True
    fitted = ("paraphrasers",)
    #: Weights and biases of every teacher's paraphraser in one row: a buffer, which no optimiser changes and every move takes along.
    paraphrasers: Tensor | None

    def __init__(self, teacher_dims: Mapping[str, int], student_dim: int, *, max_epochs: int | None = None) -> None:
        super().__init__(teacher_dims, student_dim)
        if max_epochs is not None and max_epochs < 1:
            raise UsageError(f"max_epochs is 1 or more; received {max_epochs!r}; leave it out for the default")
        self.max_epochs = max_epochs
        factors = sum(_half(width) for width in self.teacher_dims.values())
        last = nn.Linear(factors, factors)
        nn.init.zeros_(last.weight)
        self.translator = nn.Sequential(
            nn.Linear(student_dim, student_dim), nn.ReLU(), nn.Linear(student_dim, factors), nn.ReLU(), last
        )
        # Fitted again, to the same numbers, wherever training resumes.
        self.register_buffer("paraphrasers", None, persistent=False)

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit a paraphraser a teacher: mean squared error, Adam 3e-4, batches of 32, patience 10.

        One sample in ten, of those handed in, is held out to stop on; the weights of the best epoch are kept. The result
        depends on the features alone: the caller's random numbers play no part and stay as they were.

        Args:
            teacher_features: Features ``(N, D_m)`` of the training samples alone, by teacher.
            student_features: Not used.
            targets: Not used.

        Raises:
            UsageError: No sample.
        """
        parts = []
        for name, width in self.teacher_dims.items():
            features = teacher_features[name].detach().float()
            if not len(features):
                raise UsageError(
                    "a paraphraser is fitted on features; received those of 0 samples; hand in the training samples'"
                )
            epochs = self.max_epochs or max(1, round(SHOWN / len(features)))
            fitted = _fit_autoencoder(features, _shapes(width), epochs)
            parts += [tensor.flatten() for tensor in fitted[: len(fitted) // 2]]
        self.paraphrasers = torch.cat(parts)

    def factors(self, teacher: Tensor) -> Tensor:
        """The teachers' factors.

        Args:
            teacher: The teachers' features side by side, ``(B, D)``.

        Returns:
            ``(B, F)``, F the halves of the teachers' widths together.

        Raises:
            UsageError: The objective is not prepared.
        """
        if self.paraphrasers is None:
            raise UsageError("ft needs its paraphrasers; received none; call objective.prepare(features) first")
        found, start = [], 0
        for features, width in zip(
            teacher.split(list(self.teacher_dims.values()), dim=1), self.teacher_dims.values(), strict=True
        ):
            layers = []
            for shape in _shapes(width)[:6]:
                layers.append(self.paraphrasers[start : start + shape.numel()].view(shape).to(teacher.dtype))
                start += shape.numel()
            found.append(_run(features, layers))
        return torch.cat(found, dim=1)

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """The mean L1 distance of the factors; see the class."""
        with torch.no_grad():
            wanted = _unit(self.factors(teacher))
        layers = [parameter.to(student.dtype) for parameter in self.translator.parameters()]
        return (_unit(_run(student, layers)) - wanted).abs().sum(dim=1).mean()


def _half(width: int) -> int:
    return max(1, width // 2)


def _shapes(width: int) -> list[torch.Size]:
    """Weight and bias of each layer of the paraphraser, then of its mirror."""
    half = _half(width)
    sizes = [width, width, half, half, half, width, width]
    return [torch.Size(shape) for a, b in pairwise(sizes) for shape in ((b, a), (b,))]


def _run(x: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Linear layers with ReLU between."""
    for place in range(0, len(layers), 2):
        x = F.linear(x if place == 0 else torch.relu(x), layers[place], layers[place + 1])
    return x


def _unit(factors: Tensor) -> Tensor:
    """Rows at unit length; a row of zeros stays, and passes no gradient on through its length."""
    norms: Tensor = torch.linalg.vector_norm(factors, dim=1, keepdim=True)
    return factors / torch.where(norms > 0, norms, torch.ones_like(norms))


def _fit_autoencoder(x: Tensor, shapes: Sequence[torch.Size], max_epochs: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(SEED)
    layers = [
        ((torch.rand(shape, generator=generator) * 2 - 1) * weight[1] ** -0.5).to(x.device).requires_grad_()
        for weight, bias in zip(shapes[::2], shapes[1::2], strict=True)
        for shape in (weight, bias)
    ]
    order = torch.randperm(len(x), generator=generator).to(x.device)
    held = len(x) // HELD_OUT
    held_out, inner = (x[order[:held]], order[held:]) if held else (x, order)
    optimiser = torch.optim.Adam(layers, lr=LR, fused=True)
    best, kept, waited = float("inf"), [layer.detach().clone() for layer in layers], 0
    for _ in range(max_epochs):
        with torch.enable_grad():
            for rows in inner[torch.randperm(len(inner), generator=generator).to(x.device)].split(BATCH):
                batch = x[rows]
                optimiser.zero_grad()
                # The code itself is linear: ReLU stands between layers, the paraphraser's own and the mirror's.
                code = _run(batch, layers[:6])
                (_run(code, layers[6:]) - batch).square().mean().backward()
                optimiser.step()
        with torch.no_grad():
            error = float((_run(_run(held_out, layers[:6]), layers[6:]) - held_out).square().mean())
        waited += 1
        if error < best:
            best, waited = error, 0
            kept = [layer.detach().clone() for layer in layers]
        if waited >= TIMEOUT:
            break
    return kept
