"""One training: a fresh student, trained with given hyperparameters by Lightning's Trainer."""

import contextlib
import copy
import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from aft.core import Progress, one_ahead, rank, rank_zero_first, world_size
from aft.errors import AftError
from aft.models import Student, explain_out_of_memory, kept_random_state, seed_all
from aft.objectives import Objective, Weighting
from aft.runs import CurvePoint, HParams, RunLayout, TrainConfig
from aft.training._callbacks import SavedState, StopEarly, Stopwatch
from aft.training._checkpoint import Checkpoints, latest_checkpoint, step_of
from aft.training._distributed import broadcast_buffers, trainer_options
from aft.training._encoded import EncodedDataset, identity
from aft.training._loggers import make_loggers
from aft.training._loss import TaskLoss, class_weights
from aft.training._module import OptimiserSettings, TrainingModule
from aft.training._problem import Problem
from aft.training._profile import StepProfile
from aft.training._sampler import BatchSchedule, StepSampler, make_streams, steps_per_epoch
from aft.training._sharded import ShardedDataset
from aft.training._students import forked_rng
from aft.training._validation import ValidationCurve

log = logging.getLogger("aft")

PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class EarlyCheck:
    """A condition to check once during training.

    Attributes:
        step: The step after which it is checked.
        keep_going: Whether to continue, given the student at that step.
    """

    step: int
    keep_going: Callable[[Student], bool]


@dataclass(frozen=True)
class FitResult:
    """A trained student.

    Attributes:
        student: The student, in evaluation mode.
        objectives: The objectives by name, with what they have learned.
        batch_size: Samples per step.
        seconds: Duration of the training steps in this process.
        waiting_for_data: Fraction of that time spent waiting for batches.
        stopped: Whether training was stopped early by its check.
        curve: The validation loss by epoch, if it was measured.
    """

    student: Student
    objectives: dict[str, Objective]
    batch_size: int
    seconds: float
    waiting_for_data: float
    stopped: bool
    curve: tuple[CurvePoint, ...] = ()


def fit(
    problem: Problem,
    hparams: HParams,
    seed: int,
    *,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    positions: NDArray[np.int64] | None = None,
    directory: Path | None = None,
    early_check: EarlyCheck | None = None,
    validate: bool = False,
    progress: Progress | None = None,
    profile: bool = False,
) -> FitResult:
    """Train a fresh student.

    Where a launcher has started several processes, they train it together, each on its share of every batch. The result depends
    on the arguments alone, and the caller's random state is kept. With a directory, checkpoints are written there, and a training
    that finds one resumes from it.

    Args:
        problem: What is trained.
        hparams: The hyperparameters.
        seed: Random seed for initial weights, the order of batches and dropout.
        method: The method; that of the problem's config by default.
        options: Options of its objectives; by default those of the problem's config, if the method is its method.
        positions: The samples to train on; all training samples by default.
        directory: The run directory, for checkpoints and metrics.
        early_check: A condition to check once during training.
        validate: Measure the student on the validation split by epochs; with the config's patience, keep the best epoch.
        progress: Counts the steps, and shows the validation loss.
        profile: Measure where the time of a step goes, and log it.

    Returns:
        The trained student, its objectives and timings.

    Raises:
        NonFiniteError: A loss became NaN or infinite; the ids of the batch are named.
        OutOfMemoryError: A batch does not fit in memory.
        RunError: The checkpoint to resume from is damaged.
    """
    config = problem.config
    method = config.method if method is None else method
    if options is None:
        options = config.options if method == config.method else {}
    positions = problem.train if positions is None else positions
    student = problem.students.new(seed)
    objectives: dict[str, Objective] = {}
    started = time.monotonic()
    samples = problem.samples
    if not hparams.beta:
        samples = samples.with_stores([])
        # Without an objective, nothing is learned from unlabelled samples.
        positions = positions[samples.labelled[positions]]
    problem.starts.apply(student, samples, positions)
    if hparams.beta:
        objectives = problem.objectives.make(method, options, student, samples, positions, seed + 1)
    if progress is not None:
        progress.pause(time.monotonic() - started)
    terms = []
    if hparams.weighting is not None:
        weighting = Weighting(hparams.weighting, hparams.beta)
        terms = [(o.to(problem.device), copy.deepcopy(weighting).to(problem.device)) for o in objectives.values()]
    labels = samples.labels[positions[samples.labelled[positions]]]
    loss = TaskLoss(
        problem.targets, class_weights(config.class_weights, problem.targets, labels), config.label_smoothing
    )
    settings = OptimiserSettings(hparams.steps, hparams.lr, hparams.weight_decay, config.warmup, config.gate_lr)
    module = TrainingModule(student, terms, loss.to(problem.device), settings, samples.dataset.ids)
    batch_size = problem.batch_size(objective=bool(hparams.beta))
    checkpoint = (
        None if directory is None else rank_zero_first(lambda: latest_checkpoint(RunLayout(directory).checkpoints))
    )
    start = 0 if checkpoint is None else step_of(checkpoint)
    progress = progress or Progress(hparams.steps, "", "", quiet=True)
    progress.skip(start)
    stopwatch, stopper, curve = Stopwatch(progress), None, None
    callbacks: list[Callback] = [SavedState(student)]
    if early_check is not None:
        stopper = StopEarly(early_check.step, lambda: early_check.keep_going(student))
        callbacks.append(stopper)
    if validate:
        curve = ValidationCurve(
            student, lambda: problem.measure_validation(student), steps_per_epoch(len(positions), batch_size), hparams.steps,
            config.patience, lambda point: progress.note(f"validation loss {point.loss:.3f}"),
        )  # fmt: skip
        callbacks.append(curve)
    profiler = StepProfile(student) if profile else None
    if profiler is not None:
        samples = samples.with_stores(profiler.timed(samples.stores))
    loggers: list[Any] = []
    if directory is not None:
        layout = RunLayout(directory)
        callbacks.append(Checkpoints(layout.checkpoints))
        loggers = make_loggers(config, hparams, layout, start) if rank() == 0 else []
    sampler = StepSampler(BatchSchedule(make_streams(positions, samples.labelled, batch_size), seed), start)
    loader = _loader(samples, sampler, batch_size, config)
    with _quiet(), forked_rng(), kept_random_state():
        trainer = L.Trainer(
            **trainer_options(problem.device),
            precision=PRECISIONS[config.precision],
            max_steps=hparams.steps,
            max_epochs=-1,
            logger=loggers or False,
            # The watches come last, so that the others' work is not taken for waiting.
            callbacks=[*callbacks, *([profiler] if profiler else []), stopwatch],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=directory,
        )
        if world_size() > 1:
            module.to(problem.device)
            broadcast_buffers(module)
        seed_all(seed, rank())  # Python and NumPy, for modules that use them
        torch.manual_seed(seed + rank())
        _run_trainer(trainer, module, loader, checkpoint, batch_size)
    for line in profiler.lines() if profiler is not None and rank() == 0 else ():
        log.info("%s", line)
    student.to(problem.device)  # Lightning moves it off an accelerator
    student.eval()
    total = stopwatch.inside + stopwatch.between
    waiting = stopwatch.between / total if total else 0.0
    return FitResult(
        student, objectives, batch_size, total, waiting, stopper is not None and stopper.stopped,
        tuple(curve.points) if curve is not None else (),
    )  # fmt: skip


def _loader(samples: EncodedDataset, sampler: StepSampler, batch_size: int, config: TrainConfig) -> "_ResumableLoader":
    dataset: Any = samples if world_size() == 1 else ShardedDataset(samples, batch_size, config.objective_batch)
    return _ResumableLoader(
        _Reporting(dataset, ahead=samples.prepares_ahead and not config.workers),
        batch_size=None,  # the sampler yields whole steps, and a dataset returns their batches
        sampler=sampler,
        collate_fn=identity,
        generator=torch.Generator(),  # without it the loader would draw from the random numbers that dropout uses
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
    )


def _run_trainer(
    trainer: L.Trainer, module: TrainingModule, loader: DataLoader[Any], checkpoint: Path | None, batch_size: int
) -> None:
    module.student.train()
    try:
        with explain_out_of_memory(batch_size):
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SIGTERMException:
        raise
    except SystemExit as error:
        # Lightning turns Ctrl-C into an exit, which a caller could not tell from any other.
        raise KeyboardInterrupt from error


class _Reporting(torch.utils.data.Dataset[Any]):
    """A dataset that returns its errors: what a worker raises would arrive with a traceback for a message.

    Attributes:
        ahead: Whether a thread prepares the next batch during each step.
    """

    def __init__(self, dataset: Any, *, ahead: bool = False) -> None:
        self._dataset, self.ahead = dataset, ahead

    def __getitem__(self, step: Any) -> Any:
        try:
            return self._dataset[step]
        except AftError as error:
            return error


class _ResumableLoader(DataLoader[dict[str, Any]]):
    """A loader whose sampler already knows its first step; Lightning only has to be told that it can resume."""

    def __iter__(self) -> Any:
        """The batches; an error that a worker or a thread returned is raised here."""
        assert isinstance(self.dataset, _Reporting)
        for batch in one_ahead(self.dataset.__getitem__, self.sampler) if self.dataset.ahead else super().__iter__():
            if isinstance(batch, AftError):
                raise batch
            yield batch

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to load."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's notices on hardware and loaders, and keep the caller's handler of Ctrl-C."""
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
                signal.signal(signal.SIGINT, interrupt)  # Lightning ignores Ctrl-C after the first one
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
