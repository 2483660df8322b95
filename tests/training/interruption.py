"""Interrupting a training as Ctrl-C does."""

from contextlib import contextmanager

from aft.training._module import TrainingModule


@contextmanager
def interrupted_at(monkeypatch, number):
    """A block in which trainings are interrupted at a step, and write a checkpoint at every one before."""
    step = TrainingModule.training_step

    def interrupted(self, batch, index):
        if self.global_step == number:
            raise KeyboardInterrupt
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr("aft.training._checkpoint.EVERY", 0.0)
        patch.setattr(TrainingModule, "training_step", interrupted)
        yield
