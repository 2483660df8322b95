"""A memory queue of past student and teacher features."""

import torch
from torch import Tensor, nn

#: Number of past samples that a queue holds.
QUEUE_SIZE = 256


class MemoryQueue(nn.Module):
    """Enlarge a batch with the most recent samples of past batches.

    The queue is a ring buffer and part of the module's state, so checkpoints contain it.

    Args:
        student_dim: Width ``d`` of the student's features.
        teacher_dim: Width ``D`` of the concatenated teacher features.
        size: Number of past samples to hold.

    Source:
        The queue of He et al.: Momentum Contrast for Unsupervised Visual Representation Learning, CVPR 2020.
    """

    student: Tensor
    teacher: Tensor
    count: Tensor

    def __init__(self, student_dim: int, teacher_dim: int, size: int = QUEUE_SIZE) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("student", torch.zeros(size, student_dim))
        self.register_buffer("teacher", torch.zeros(size, teacher_dim))
        #: Number of samples ever added; it also determines the next position to write to.
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """Append the past samples to a batch, then add the batch to the queue.

        Gradients flow into the current batch only.

        Args:
            student: ``(B, d)``.
            teacher: ``(B, D)``.

        Returns:
            Student features ``(B + Q, d)`` and teacher features ``(B + Q, D)``, where Q is the number of
            samples that the queue held before the call.
        """
        held = int(self.count.clamp(max=self.size))
        past_student, past_teacher = self.student[:held].to(student.dtype), self.teacher[:held].to(teacher.dtype)
        enlarged = torch.cat([student, past_student]), torch.cat([teacher, past_teacher])
        self._add(student.detach(), teacher.detach())
        return enlarged

    @torch.no_grad()
    def _add(self, student: Tensor, teacher: Tensor) -> None:
        """Overwrite the oldest rows with the batch, or with its last rows if it is larger than the queue."""
        student, teacher = student[-self.size :], teacher[-self.size :]
        positions = (int(self.count) + torch.arange(len(student), device=student.device)) % self.size
        self.student[positions] = student.to(self.student.dtype)
        self.teacher[positions] = teacher.to(self.teacher.dtype)
        self.count += len(student)
