"""Factor transfer (FT): match translated student features to compressed teacher features."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aft.errors import UsageError
from aft.objectives._base import Objective
from aft.objectives._kernels import exact_unit_rows

SEED = 0
LR = 3e-4
#: Epochs without improvement of the held-out error after which the autoencoder stops.
PATIENCE = 10
BATCH_SIZE = 32
#: Samples that the autoencoder trains on by default, counting repeats: about 600 steps. On 2,000 samples with
#: 768 dimensions this leaves 45 % of the variance unexplained and takes 8 s on one thread; twice as many
#: samples leave 32 % and take twice as long.
SAMPLES_SEEN = 20_000
#: One training sample in this many is held out for early stopping.
HELD_OUT_ONE_IN = 10


class FactorTransfer(Objective):
    """Match factors of both sides, scaled to unit L2 length: ``mean(||u - v||_1)``.

    The teacher's factor v is the code of an autoencoder ``D -> D -> D/2 -> D/2`` with ReLU between the layers
    (the paraphraser) and a mirrored decoder. One autoencoder per teacher is fitted in `prepare` and then
    fixed; the factors of all teachers are concatenated. The student's factor u is the output of a learned
    translator ``d -> d -> F -> F``, where F is the total width of the teachers' factors. The translator's
    last weight starts at zero, so at the start the objective has no gradient with respect to the student.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name. D/2 is rounded down, to at
            least 1.
        student_dim: Width ``d`` of the student's features.
        max_epochs: Upper limit of the autoencoder's epochs. It stops earlier if its error on held-out
            training features has not improved for 10 epochs. By default, the limit is the number of epochs
            that covers 20,000 samples, counting repeats.

    Raises:
        UsageError: ``max_epochs`` is below 1.

    Source:
        Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, NeurIPS 2018.

    Example:
        >>> objective = FactorTransfer({"clip": 512}, student_dim=64)
        >>> objective.prepare({"clip": training_features})
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    needs_preparation = True
    fitted = ("paraphrasers",)
    #: Weights and biases of all paraphrasers in one vector. A buffer moves with the module but is not trained.
    paraphrasers: Tensor | None

    def __init__(self, teacher_dims: Mapping[str, int], student_dim: int, *, max_epochs: int | None = None) -> None:
        super().__init__(teacher_dims, student_dim)
        if max_epochs is not None and max_epochs < 1:
            raise UsageError(f"max_epochs must be 1 or more; received {max_epochs!r}; omit it to use the default")
        self.max_epochs = max_epochs
        factors = sum(_factor_dim(width) for width in self.teacher_dims.values())
        last = nn.Linear(factors, factors)
        nn.init.zeros_(last.weight)
        self.translator = nn.Sequential(
            nn.Linear(student_dim, student_dim), nn.ReLU(), nn.Linear(student_dim, factors), nn.ReLU(), last
        )
        # Not in checkpoints: a resumed training fits them again, to the same numbers.
        self.register_buffer("paraphrasers", None, persistent=False)

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit one paraphraser per teacher: mean squared error, Adam at 3e-4, batches of 32, patience 10.

        One sample in ten is held out for early stopping, and the weights of the best epoch are kept. The
        result depends on the features only: the global random state is neither used nor changed.

        Args:
            teacher_features: Features ``(N, D_m)`` of the training samples only, keyed by teacher.
            student_features: Not used.
            targets: Not used.

        Raises:
            UsageError: There are no samples.
        """
        parameters = []
        for name, width in self.teacher_dims.items():
            features = teacher_features[name].detach().float()
            if not len(features):
                raise UsageError(
                    "a paraphraser is fitted on features; received those of 0 samples; "
                    "pass the features of the training samples"
                )
            epochs = self.max_epochs or max(1, round(SAMPLES_SEEN / len(features)))
            layers = _fit_autoencoder(features, _layer_shapes(width), epochs)
            parameters += [tensor.flatten() for tensor in layers[: len(layers) // 2]]
        self.paraphrasers = torch.cat(parameters)

    def factors(self, teacher: Tensor) -> Tensor:
        """Compute the teachers' factors.

        Args:
            teacher: Concatenated teacher features, ``(B, D)``.

        Returns:
            ``(B, F)``, where F is the sum of half of each teacher's width.

        Raises:
            UsageError: `prepare` has not been called.
        """
        if self.paraphrasers is None:
            raise UsageError("ft needs fitted paraphrasers; received none; call objective.prepare(features) first")
        factors, start = [], 0
        for features, width in zip(
            teacher.split(list(self.teacher_dims.values()), dim=1), self.teacher_dims.values(), strict=True
        ):
            layers = []
            for shape in _layer_shapes(width)[:6]:
                layers.append(self.paraphrasers[start : start + shape.numel()].view(shape).to(teacher.dtype))
                start += shape.numel()
            factors.append(_mlp(features, layers))
        return torch.cat(factors, dim=1)

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the mean L1 distance of the factors."""
        with torch.no_grad():
            teacher_factors = exact_unit_rows(self.factors(teacher))
        layers = [parameter.to(student.dtype) for parameter in self.translator.parameters()]
        return (exact_unit_rows(_mlp(student, layers)) - teacher_factors).abs().sum(dim=1).mean()


def _factor_dim(width: int) -> int:
    return max(1, width // 2)


def _layer_shapes(width: int) -> list[torch.Size]:
    """Shapes of weight and bias of each layer, first of the paraphraser, then of its mirrored decoder."""
    half = _factor_dim(width)
    sizes = [width, width, half, half, half, width, width]
    return [torch.Size(shape) for a, b in pairwise(sizes) for shape in ((b, a), (b,))]


def _mlp(x: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Apply linear layers with ReLU between them; the last layer has no activation."""
    for place in range(0, len(layers), 2):
        x = F.linear(x if place == 0 else torch.relu(x), layers[place], layers[place + 1])
    return x


def _fit_autoencoder(x: Tensor, shapes: Sequence[torch.Size], max_epochs: int) -> list[Tensor]:
    """Train an autoencoder with early stopping; return the weights and biases of its best epoch."""
    generator = torch.Generator().manual_seed(SEED)
    layers = [
        ((torch.rand(shape, generator=generator) * 2 - 1) * weight[1] ** -0.5).to(x.device).requires_grad_()
        for weight, bias in zip(shapes[::2], shapes[1::2], strict=True)
        for shape in (weight, bias)
    ]
    order = torch.randperm(len(x), generator=generator).to(x.device)
    held = len(x) // HELD_OUT_ONE_IN
    held_out, train = (x[order[:held]], order[held:]) if held else (x, order)
    optimiser = torch.optim.Adam(layers, lr=LR, fused=True)
    best_error, best_layers = float("inf"), [layer.detach().clone() for layer in layers]
    epochs_without_improvement = 0
    for _ in range(max_epochs):
        with torch.enable_grad():
            for rows in train[torch.randperm(len(train), generator=generator).to(x.device)].split(BATCH_SIZE):
                batch = x[rows]
                optimiser.zero_grad()
                # The code has no activation: ReLU is only used between layers of the encoder or the decoder.
                code = _mlp(batch, layers[:6])
                (_mlp(code, layers[6:]) - batch).square().mean().backward()
                optimiser.step()
        with torch.no_grad():
            error = float((_mlp(_mlp(held_out, layers[:6]), layers[6:]) - held_out).square().mean())
        epochs_without_improvement += 1
        if error < best_error:
            best_error, epochs_without_improvement = error, 0
            best_layers = [layer.detach().clone() for layer in layers]
        if epochs_without_improvement >= PATIENCE:
            break
    return best_layers
