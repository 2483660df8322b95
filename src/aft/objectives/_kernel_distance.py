"""The root mean square of the difference of two linear kernels, with its gradient.

Autograd would keep every intermediate array of the plain formula, and multiply large matrices six times. The kernels are symmetric, so
that four multiplications are enough; centred features are scaled to unit rows in the kernel, which is small, instead of in the features;
and norms are the roots of its diagonal.
"""

from typing import Any

import torch
from torch import Tensor

from aft.objectives._kernels import EPSILON, centre, unit_rows

#: Rows of teacher features that are centred, gated and scaled at a time in feature space.
CHUNK = 1024
#: In feature space the square is a difference of sums. In float32 it has four digits as long as this share of the sums is left.
CANCELLED = 0.05

#: At the student's features, the teacher's features and the gates.
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def kernel_distance(student: Tensor, teacher: Tensor, gates: Tensor | None, space: str) -> Tensor:
    """Compute ``sqrt(mean_ij (ZZ^T - TT^T)_ij^2 + 1e-8)`` for the centred unit rows Z and T of both sides.

    Args:
        student: Student features, ``(B, d)``.
        teacher: Teacher features, ``(B, D)``, of the same dtype.
        gates: Weights that the teacher's dimensions are multiplied by, ``(D,)``; None for none.
        space: ``"sample"`` compares the kernels, ``(B, B)``. ``"feature"`` computes the same from matrices of the features' widths.

    Returns:
        A scalar tensor.
    """
    distance = _SampleSpace if space == "sample" else _FeatureSpace
    value: Tensor = distance.apply(student, teacher, gates)
    return value


def cheaper_space(batch: int, student_dim: int, teacher_dim: int, dtype: torch.dtype, device: torch.device) -> str:
    """Choose the space that needs fewer multiplications.

    Args:
        batch: Batch size B.
        student_dim: Student width d.
        teacher_dim: Teacher width D.
        dtype: Dtype of the inputs.
        device: Device of the inputs.

    Returns:
        ``"sample"`` or ``"feature"``.
    """
    if device.type == "mps":  # has no float64
        return "sample"
    sample = batch * batch * (student_dim + teacher_dim)
    feature = batch * (student_dim**2 + student_dim * teacher_dim + teacher_dim**2)
    return "feature" if feature * (2 if _sums_in_float64(dtype, device) else 1) < sample else "sample"


def _sums_in_float64(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether float32 is multiplied in float64, at half the speed: on a GPU, where to look at the result would be to wait for it."""
    return dtype != torch.float64 and device.type != "cpu"


def _inverse(norms: Tensor) -> Tensor:
    """One divided by norms, and zero for those that are zero: a norm has no gradient there."""
    return torch.where(norms > 0, 1 / norms, torch.zeros_like(norms))


def _root(mean: Tensor) -> Tensor:
    return torch.sqrt(mean + EPSILON)


def _differentiable(ctx: Any, gradient: Tensor, student: Tensor, teacher: Tensor, gates: Tensor | None) -> Gradients:
    """The gradients by autograd from the plain formula, for callers who differentiate them again."""
    z, t = unit_rows(centre(student)), unit_rows(centre(teacher if gates is None else teacher * gates))
    root = _root((z @ z.T - t @ t.T).square().mean())
    arguments = zip((student, teacher, gates), ctx.needs_input_grad, strict=True)
    wanted = [one for one, needed in arguments if one is not None and needed]
    found = iter(torch.autograd.grad(root, wanted, gradient, create_graph=True))
    for_student, for_teacher, for_gates = (next(found) if needed else None for needed in ctx.needs_input_grad)
    return for_student, for_teacher, for_gates


class _SampleSpace(torch.autograd.Function):
    """From two B x B matrices."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, gates: Tensor | None) -> Tensor:
        centred = centre(teacher)
        gated = centred if gates is None else centred * gates
        rows = centre(student)
        own, own_norms = _SampleSpace.kernel(rows)
        theirs, their_norms = _SampleSpace.kernel(gated)
        difference = own - theirs
        root = _root(difference.square().mean())
        ctx.save_for_backward(
            student, teacher, gates, rows, gated, centred, own, own_norms, theirs, their_norms, difference, root
        )
        return root

    @staticmethod
    def kernel(rows: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel of the unit rows, ``(B, B)``, and the norms of the rows, ``(B,)``."""
        gram = rows @ rows.T
        norms = gram.diagonal().sqrt()
        scale = 1 / (norms + EPSILON)
        return gram.mul_(scale[:, None]).mul_(scale), norms

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        student, teacher, gates, rows, gated, centred, own, own_norms, theirs, their_norms, difference, root = (
            ctx.saved_tensors
        )
        if torch.is_grad_enabled():
            return _differentiable(ctx, gradient, student, teacher, gates)
        factor = gradient * 2 / (difference.numel() * root)

        def towards(kernel: Tensor, norms: Tensor, factor: Tensor) -> Tensor:
            """What the gradient multiplies centred rows by, ``(B, B)``: `difference` in terms of unit rows, less their own direction."""
            scale = 1 / (norms + EPSILON)
            along = (difference * kernel).sum(dim=1) * scale * _inverse(norms)
            matrix: Tensor = difference * (factor * scale[:, None]) * scale
            matrix.diagonal().sub_(factor * along)
            return matrix

        for_student = for_teacher = for_gates = None
        if ctx.needs_input_grad[0]:
            for_student = towards(own, own_norms, factor) @ rows
            for_student = for_student.sub_(for_student.mean(dim=0))
        if any(ctx.needs_input_grad[1:]):
            moved = towards(theirs, their_norms, -factor) @ gated
            if ctx.needs_input_grad[1]:
                for_teacher = moved if gates is None else moved * gates
                for_teacher = for_teacher - for_teacher.mean(dim=0)
            if ctx.needs_input_grad[2]:
                for_gates = moved.mul_(centred).sum(dim=0)
        return for_student, for_teacher, for_gates


class _FeatureSpace(torch.autograd.Function):
    """From d x d, D x d and D x D matrices, without any B x B matrix, and with a chunk of the teacher's unit rows at a time."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, gates: Tensor | None) -> Tensor:
        rows = centre(student)
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        mean = sum(((part - teacher[:1]).sum(dim=0) for part in teacher.split(CHUNK)), start=teacher.new_zeros(1))
        centre_of = (teacher[:1], mean / len(teacher))
        wide = torch.float64 if _sums_in_float64(student.dtype, student.device) else student.dtype
        z = rows / (norms + EPSILON)
        total, of_all, products = _FeatureSpace.sums(z, teacher, centre_of, gates, wide)
        if wide == torch.float32 and bool(total < CANCELLED * of_all):
            total, _, products = _FeatureSpace.sums(z, teacher, centre_of, gates, torch.float64)
        root = _root((total.clamp(min=0) / len(student) ** 2).to(student.dtype))
        ctx.save_for_backward(student, teacher, gates, rows, norms, *centre_of, *products, root)
        return root

    @staticmethod
    def unit_rows(
        teacher: Tensor, centre_of: tuple[Tensor, Tensor], gates: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A chunk of the teacher's features, centred; the unit rows of those that are gated; and their norms."""
        centred = (teacher - centre_of[0]).sub_(centre_of[1])
        gated = centred.clone() if gates is None else centred * gates
        norms = torch.linalg.vector_norm(gated, dim=1, keepdim=True)
        return centred, gated.div_(norms + EPSILON), norms

    @staticmethod
    def sums(
        z: Tensor, teacher: Tensor, centre_of: tuple[Tensor, Tensor], gates: Tensor | None, wide: torch.dtype
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
        """``||ZZ^T - TT^T||^2`` as a difference of sums, the sums together, and the products Z^T Z, T^T Z and T^T T."""
        width = teacher.shape[1]
        tz, tt = z.new_zeros((width, z.shape[1]), dtype=wide), z.new_zeros((width, width), dtype=wide)
        for own, part in zip(z.split(CHUNK), teacher.split(CHUNK), strict=True):
            t = _FeatureSpace.unit_rows(part, centre_of, gates)[1].to(wide)
            tz.addmm_(t.T, own.to(wide))
            tt.addmm_(t.T, t)
        zz = z.to(wide).T @ z.to(wide)
        squares = [torch.linalg.vector_norm(product, dtype=torch.float64).square() for product in (zz, tz, tt)]
        return squares[0] - 2 * squares[1] + squares[2], squares[0] + squares[2], (zz, tz, tt)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        student, teacher, gates, rows, norms, first, mean, zz, tz, tt, root = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable(ctx, gradient, student, teacher, gates)
        wide, dtype = zz.dtype, rows.dtype
        factor = (gradient * 2 / (len(rows) ** 2 * root)).to(wide)

        def through_norm(moved: Tensor, unit: Tensor, norms: Tensor) -> Tensor:
            """The gradient at rows from that at unit rows."""
            along = (moved * unit).sum(dim=1, keepdim=True)
            return (moved / (norms + EPSILON) - unit * (along * _inverse(norms))).to(dtype)

        for_student = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        for_teacher = torch.empty_like(teacher) if ctx.needs_input_grad[1] else None
        for_gates = torch.zeros_like(gates) if ctx.needs_input_grad[2] else None
        for start in range(0, len(rows), CHUNK):
            here = slice(start, start + CHUNK)
            z = (rows[here] / (norms[here] + EPSILON)).to(wide)
            centred, unit, own_norms = _FeatureSpace.unit_rows(teacher[here], (first, mean), gates)
            t = unit.to(wide)
            if for_student is not None:
                for_student[here] = through_norm(factor * (z @ zz - t @ tz), z, norms[here])
            if for_teacher is None and for_gates is None:
                continue
            moved = through_norm(factor * (t @ tt - z @ tz.T), t, own_norms)
            if for_teacher is not None:
                for_teacher[here] = moved if gates is None else moved * gates
            if for_gates is not None:
                for_gates += (moved * centred).sum(dim=0)
        for whole in (for_student, for_teacher):
            if whole is not None:
                whole.sub_(whole.mean(dim=0))
        return for_student, for_teacher, for_gates
