"""One training, by Lightning's Trainer."""

import contextlib
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from aft.errors import NonFiniteError, name_some
from aft.models._memory import explain_out_of_memory
from aft.models import Student, StudentOutput
from aft.objectives import Objective, Weighting, gather
from aft.core import rank_zero_first, rank, world_size
from aft.training._sampler import BatchSchedule, StepSampler, streams
from aft.training._checkpoint import Checkpoints, newest, step_of
from aft.training._encoded import TrainingData, as_is
from aft.training._loss import TaskLoss
from aft.training._csv_logger import MetricsFile
from aft.training._distributed import (
    Scope,
    SharedData,
    everywhere_finite,
    mean_of_all,
    synchronise_buffers,
    trainer_options,
)

#: Steps between two looks at whether a loss was NaN: looking waits for the device.
CHECK_EVERY = 50
PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast to train.

    Attributes:
        steps: Optimiser steps.
        batch_size: Samples a step.
        lr: The student's learning rate, annealed to zero along a cosine.
        weight_decay: Decoupled, of the student.
        warmup: Share of the steps over which the rate rises.
        gate_lr: Learning rate of the gates.
        seed: Of the order of batches and of dropout.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        workers: Processes that prepare batches.
    """

    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup: float = 0.05
    gate_lr: float = 1e-2
    seed: int = 0
    precision: str = "fp32"
    workers: int = 0


@dataclass
class FitResult:
    """What a training took.

    Attributes:
        seconds: Time in training steps, of this process.
        waiting: Share of that time spent waiting for data.
        stopped: Step at which it was given up, or None.
    """

    seconds: float = 0.0
    waiting: float = 0.0
    stopped: int | None = None


class TrainingModule(L.LightningModule):
    """Task loss plus objectives, each at a strength."""

    def __init__(
        self,
        student: Student,
        terms: Sequence[tuple[Objective, Weighting]],
        loss: TaskLoss,
        settings: FitSettings,
    ) -> None:
        super().__init__()
        self.student = student
        self.objectives = nn.ModuleList(objective for objective, _ in terms)
        self.strengths = nn.ModuleList(strength for _, strength in terms)
        self.loss = loss
        self.settings = settings
        self._watched: list[tuple[int, Tensor, list[str]]] = []

    def training_step(self, batch: dict[str, Any], _index: int) -> Tensor:
        """The loss of a batch."""
        output: StudentOutput = self.student(batch["inputs"])
        task: Tensor = self.loss(output.logits, batch["targets"], batch["labelled"])
        if "weight" in batch:
            task = task * batch["weight"]
        sizes = batch.get("sizes")
        total, measured = task, task.detach()
        row: dict[str, Tensor] = {"task_loss": measured}
        for objective, strength in self._terms():

            def value(features: Tensor, logits: Tensor | None, objective: Objective = objective) -> Tensor:
                if sizes is not None:
                    features = gather(features, sizes)
                    logits = None if logits is None else gather(logits, sizes)
                result: Tensor = objective(features, batch["features"], logits=logits, targets=batch["seen_targets"])
                return result

            combined = strength.combine(
                task,
                output.features,
                value,
                objective.parameters(),
                output.logits if objective.needs_logits else None,
                task_active=batch["any_labelled"],
            )
            # Each is weighed by the task alone, whatever stands beside it.
            total = total + (combined.loss - task)
            measured = measured + combined.objective
            row["objective"] = row.get("objective", 0) + combined.objective
            if len(self.objectives) == 1:
                row["coefficient"] = combined.coefficient
        self._watched.append((self.global_step, torch.isfinite(measured), batch["ids"]))
        if len(self._watched) >= CHECK_EVERY:
            self.check()
        if self.global_step % CHECK_EVERY == 0 or self.global_step == self.settings.steps - 1:
            values = dict(zip(row, mean_of_all(list(row.values())), strict=True))
            for logger in self.loggers:
                logger.log_metrics(values, step=self.global_step)
        return total

    def _terms(self) -> Iterator[tuple[Objective, Weighting]]:
        for objective, strength in zip(self.objectives, self.strengths, strict=True):
            assert isinstance(objective, Objective)
            assert isinstance(strength, Weighting)
            yield objective, strength

    def check(self) -> None:
        """Look at the losses since the last look.

        Raises:
            NonFiniteError: One was NaN or infinite; step and ids are named.
        """
        if self._watched:
            finite = everywhere_finite(torch.stack([flag for _, flag, _ in self._watched])).tolist()
            for (step, _, ids), good in zip(self._watched, finite, strict=True):
                if not good:
                    raise NonFiniteError(
                        f"a loss must be finite; it became NaN or infinite at step {step}, on the batch of ids {name_some(ids, 8)}; "
                        "lower --lr or beta, or look at these samples"
                    )
        self._watched.clear()

    def on_train_end(self) -> None:
        """Look a last time."""
        self.check()

    def configure_optimizers(self) -> Any:
        """Adam with decoupled decay; biases and norms are not decayed, gates have a rate of their own."""
        s = self.settings
        trained = [p for p in self.student.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim >= 2]},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        for objective, _ in self._terms():
            groups += objective.parameter_groups(lr=s.gate_lr)
        optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=s.lr, weight_decay=s.weight_decay
        )
        warm = max(1, round(s.warmup * s.steps))

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, s.steps - warm)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Clock(Callback):
    """Time in steps, and between them."""

    def __init__(self, tick: Callable[[int], object] | None) -> None:
        self.inside = self.outside = 0.0
        self._mark = 0.0
        self._tick = tick

    def on_train_start(self, *_: Any) -> None:
        self._mark = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        now = time.perf_counter()
        self.outside += now - self._mark
        self._mark = now

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        self.inside += now - self._mark
        self._mark = now
        if self._tick is not None:
            self._tick(1)


class _Watch(Callback):
    """Calls the user's watcher at given steps; training stops where it answers False."""

    def __init__(self, watcher: Callable[[int], bool], every: int) -> None:
        self._watcher, self._every = watcher, every
        self.stopped: int | None = None

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        step = trainer.global_step
        if step % self._every == 0 and step < trainer.max_steps and not self._watcher(step):
            self.stopped = step
            trainer.should_stop = True


class _Resumable(DataLoader[dict[str, Any]]):
    """A loader that starts at a step: Lightning is told that it knows its place."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The sampler was given its first step already."""


def fit(
    student: Student,
    terms: Sequence[tuple[Objective, Weighting]],
    data: TrainingData,
    members: NDArray[np.int64],
    loss: TaskLoss,
    settings: FitSettings,
    *,
    device: torch.device,
    folder: Path | None = None,
    tick: Callable[[int], object] | None = None,
    watcher: tuple[Callable[[int], bool], int] | None = None,
    scope: Scope = "global",
) -> FitResult:
    """Train a student in place.

    Where a launcher has started several processes, they train it together, each on its share of every batch. The numbers depend on the settings, the data and the weights handed in, and on nothing else; the caller's random numbers
    are left as they were. With a folder, checkpoints go there, and a training that finds one goes on from it.

    Args:
        student: What to train.
        terms: The regularisers, prepared, each with its strength; none for plain fine-tuning.
        data: The samples.
        members: Positions of those to train on.
        loss: The task's loss.
        settings: How long and how fast.
        device: Where.
        folder: The run folder, for checkpoints and metrics.
        tick: Called with 1 after each step.
        watcher: A function of the step that tells whether to go on, and how often to ask it.
        scope: What the objectives see where several processes train together: the ``global`` batch or the ``local`` share.

    Returns:
        What it took.

    Raises:
        NonFiniteError: A loss became NaN or infinite; the ids of the batch are named.
        OutOfMemoryError: A batch does not fit.
        RunError: The checkpoint to go on from is not what was written.
    """
    module = TrainingModule(student, terms, loss, settings)
    sampler = StepSampler(BatchSchedule(streams(members, data.labelled, settings.batch_size), settings.seed))
    clock = _Clock(tick)
    callbacks: list[Callback] = [clock]
    shared = data if world_size() == 1 else SharedData(data, settings.batch_size, scope)
    if world_size() > 1:
        synchronise_buffers(module.to(device))
    watch = None if watcher is None else _Watch(*watcher)
    callbacks += [] if watch is None else [watch]
    checkpoint, loggers = None, []
    if folder is not None:
        callbacks.append(Checkpoints(folder / "checkpoints"))
        checkpoint = rank_zero_first(lambda: newest(folder / "checkpoints"))
        sampler.start = 0 if checkpoint is None else step_of(checkpoint)
        loggers = _loggers(folder, sampler.start) if rank() == 0 else []
    loader = _Resumable(
        shared,  # type: ignore[arg-type]
        batch_sampler=sampler,
        collate_fn=as_is,
        generator=torch.Generator(),  # else each loader would draw from the numbers that dropout uses
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
    )
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(settings.seed + rank())
        trainer = L.Trainer(
            **trainer_options(device),
            precision=PRECISIONS[settings.precision],
            max_steps=settings.steps,
            max_epochs=-1,
            logger=loggers or False,
            callbacks=callbacks,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
        student.train()
        try:
            with explain_out_of_memory(settings.batch_size):
                trainer.fit(
                    module,
                    loader,
                    ckpt_path=checkpoint,
                    weights_only=True,
                )
        except SystemExit as error:
            # Lightning turns Ctrl-C into an exit, which a caller could not tell from any other.
            raise KeyboardInterrupt from error
        student.to(device)  # Lightning has moved it off an accelerator
        student.eval()
    total = clock.inside + clock.outside
    return FitResult(total, clock.outside / total if total else 0.0, watch.stopped if watch else None)


def _loggers(folder: Path, start: int) -> list[Any]:
    from lightning.pytorch.loggers import TensorBoardLogger

    return [MetricsFile(folder / "metrics.csv", start), TensorBoardLogger(folder, name="tensorboard", version="")]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's notices about hardware and loaders say nothing that a user of aft can act on."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for module in ("lightning", "torch.optim.lr_scheduler"):
            warnings.filterwarnings("ignore", module=module)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        main = threading.current_thread() is threading.main_thread()
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            yield
        finally:
            if main:
                signal.signal(signal.SIGINT, interrupt)  # Lightning ignores Ctrl-C from the first one on
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def fresh_student(make: Callable[[], nn.Module | None], seed: int) -> Any:
    """Make a module whose random weights depend on the seed alone.

    Args:
        make: Makes it.
        seed: The seed.

    Returns:
        What it made; the caller's random numbers are as before.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()
