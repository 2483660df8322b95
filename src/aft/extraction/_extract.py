"""Run teachers over a dataset once, and keep their features in stores."""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn

from aft.core import (
    Progress,
    barrier,
    broadcast_object,
    format_duration,
    format_size,
    once_per_machine,
    rank,
    world_size,
)
from aft.data import Dataset, Positions
from aft.errors import UsageError, did_you_mean
from aft.extraction._engine import Engine, run_tasks
from aft.extraction._settings import Dtype, Precision, Settings
from aft.extraction._teacher import default_name
from aft.extraction._worker import ShardTask, Worker
from aft.features import FeatureStore
from aft.models import choose_device, slow_precision

log = logging.getLogger("aft")


def extract(
    dataset: Dataset,
    teacher: str | nn.Module,
    *,
    name: str | None = None,
    out: str | Path,
    layer: str | None = None,
    pooling: str | None = None,
    weights: str | None = None,
    prompt: str | None = None,
    preprocess: Any = None,
    device: str = "auto",
    precision: Precision = "fp32",
    dtype: Dtype = "float16",
    batch_size: int = 32,
    shard_rows: int | None = None,
    bad_inputs: Literal["error", "skip"] | None = None,
    views: int = 1,
    view_seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
    processes: int | None = None,
    threads: int | None = None,
    engine: Engine = "local",
) -> FeatureStore:
    """Run a teacher over a dataset and keep its features in a store. Labels are not needed.

    An interrupted extraction resumes when it is called again. Existing features are not computed again, and
    new samples are added.

    Args:
        dataset: The samples.
        teacher: The model's name (see `aft.models.load_backbone`) or a module.
        name: Name of the store, under which the objective knows the teacher. The default is the last part of
            the model's name.
        out: Directory of stores, or an address in object storage. The features are written to ``out/name``.
        layer: Layer to read instead of the teacher's default features.
        pooling: How to reduce that layer's output to one vector.
        weights: ``"pretrained"``, ``"random"`` or a file.
        prompt: Text to prepend to each text, for teachers that were trained with a prompt.
        preprocess: For a module: maps one raw input to a tensor.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        precision: Precision of the forward pass: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        dtype: Type of the features on disk, ``"float16"`` or ``"float32"``.
        batch_size: Samples per forward pass. Texts of similar length share a batch.
        shard_rows: Samples per shard, which is the most that an interruption can lose per process. The
            default depends on the size of the dataset.
        bad_inputs: ``"skip"`` skips unreadable inputs and logs how many; ``"error"`` raises. The default is
            the dataset's setting.
        views: Number K of views of each sample: the sample itself, and K - 1 random augmentations of it, which
            a training with ``augment="views"`` shows the student again. Time and disk space grow with K.
        view_seed: Random seed of the augmentations.
        overwrite: Replace an existing store of other features.
        progress: Show progress on standard error.
        processes: Number of processes that compute shards in parallel, for a CPU with many cores. Under a
            launcher such as torchrun the ranks share the shards without it. With equal threads the bytes on
            disk are the same.
        threads: Threads per process. The default is torch's for one process, and an equal share of the cores
            for several.
        engine: ``"local"``, or ``"ray"`` for actors of the Ray cluster at ``RAY_ADDRESS``, or of one on this
            machine. All machines must see ``out`` under the same path.

    Returns:
        The finished store.

    Raises:
        DataError: Inputs are unreadable.
        ModelError: The teacher cannot be loaded, or does not accept the dataset's inputs.
        FingerprintError: ``out/name`` holds other features; each differing field is named.
        BadFeatureError: The teacher returned NaN, infinity, or values beyond the range of ``dtype``; the ids
            are named.

    Example:
        >>> teacher = "timm:vit_small_patch14_dinov2.lvd142m"
        >>> store = aft.extract(dataset, teacher=teacher, name="dinov2", out="features/")
    """
    settings = Settings(
        layer, pooling, weights, prompt, preprocess, device, precision, dtype, batch_size, bad_inputs, views, view_seed
    )
    teachers = {name or default_name(teacher): teacher}
    stores = _extract(dataset, teachers, out, settings, shard_rows, overwrite, progress, processes, threads, engine)
    return stores[0]


def extract_all(
    dataset: Dataset,
    teachers: Mapping[str, str | nn.Module],
    *,
    out: str | Path,
    shard_rows: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
    processes: int | None = None,
    threads: int | None = None,
    engine: Engine = "local",
    **options: Any,
) -> list[FeatureStore]:
    """Run several teachers over a dataset in one pass, reading each sample once.

    Teachers that read one network at several layers share its forward pass, so that six layers cost as much
    as one.

    Args:
        dataset: The samples.
        teachers: Models by the name of their store; see `extract`.
        out: Directory of stores, or an address in object storage.
        shard_rows: As for `extract`.
        overwrite: As for `extract`.
        progress: As for `extract`.
        processes: As for `extract`.
        threads: As for `extract`.
        engine: As for `extract`.
        **options: Fields of `Settings`, which apply to all teachers.

    Returns:
        The finished stores, in the order of the teachers.

    Raises:
        AftError: As for `extract`. Nothing is computed unless every teacher can be loaded and planned.

    Example:
        >>> extract_all(dataset, {"last": "hf:MODEL", "third": "hf:MODEL,layer=encoder.layer.2"}, out="features/")
    """
    settings = Settings(**options)
    return _extract(dataset, teachers, out, settings, shard_rows, overwrite, progress, processes, threads, engine)


def _extract(
    dataset: Dataset,
    teachers: Mapping[str, str | nn.Module],
    out: str | Path,
    settings: Settings,
    shard_rows: int | None,
    overwrite: bool,
    progress: bool,
    processes: int | None,
    threads: int | None,
    engine: Engine,
) -> list[FeatureStore]:
    if engine not in get_args(Engine):
        raise UsageError(f"unknown engine {engine!r}{did_you_mean(str(engine), get_args(Engine))}")
    if any(count is not None and count < 1 for count in (processes, threads)):
        raise UsageError(
            f"an extraction needs at least one process and one thread; received processes={processes}, "
            f"threads={threads}; omit them to use the defaults"
        )
    first, start = rank() == 0, time.monotonic()
    quiet = not (progress and first)
    with Progress(len(dataset), "reading inputs", "samples", quiet=quiet) as bar:
        readable, positions = once_per_machine(lambda: _readable(dataset, settings, bar))
    if len(readable) < len(dataset):
        log.warning("%d of %d inputs are unreadable and were skipped", len(dataset) - len(readable), len(dataset))
    make = partial(Worker.resumed, readable, positions, teachers, out, settings)
    if first:
        worker = Worker(readable, positions, teachers, out, settings)
        worker.plan(shard_rows, overwrite=overwrite)
        barrier()
    else:
        barrier()  # rank 0 plans; the other ranks then read its plan
        worker = make()
    tasks = worker.pending()
    if first:
        if tasks and (slow := slow_precision(choose_device(settings.device), settings.precision)):
            log.warning("%s", slow)
        for teacher, writer in zip(worker.teachers, worker.writers, strict=True):
            if not writer.pending():
                log.info("%s: the features of all %d samples exist; nothing to compute", teacher.name, len(readable))
    barrier()  # no rank may commit before every rank has read the plan
    if world_size() > 1:
        if first:
            worker.refresh()  # another rank may have uploaded shards that an interruption had left on its machine
            tasks = worker.pending()
        tasks = broadcast_object(tasks)
    mine = tasks[rank() :: world_size()]
    truncated = [0] * len(worker.teachers)
    numbers = sorted({number for task in tasks for number, _ in task.shards})
    names = ", ".join(worker.teachers[number].name for number in numbers)
    unit = "samples" if len(numbers) <= 1 and settings.views == 1 else "vectors"
    with Progress(sum(task.vectors for task in mine) * settings.views, names, unit, quiet=quiet) as bar:
        for counts in run_tasks(worker, mine, make, processes, threads, bar, engine):
            truncated = [before + count for before, count in zip(truncated, counts, strict=True)]
    barrier()
    if first:
        stores = [writer.finish() for writer in worker.writers]
        barrier()
    else:
        barrier()
        stores = [FeatureStore.open(writer.location) for writer in worker.writers]
    _log_summary(worker, tasks, stores, truncated, time.monotonic() - start)
    return stores


def _readable(dataset: Dataset, settings: Settings, progress: Progress) -> tuple[Dataset, Positions]:
    """The samples with inputs that can be read, and where each id is among them."""
    readable = dataset.verified(settings.bad_inputs, progress)
    return readable, Positions(readable.ids)


def _log_summary(
    worker: Worker, tasks: Sequence[ShardTask], stores: Sequence[FeatureStore], truncated: Sequence[int], seconds: float
) -> None:
    """Log how many samples were computed, how fast, and how many were truncated."""
    for number, (teacher, store) in enumerate(zip(worker.teachers, stores, strict=True)):
        computed = sum(task.samples for task in tasks if number in dict(task.shards))
        if computed and rank() == 0:
            log.info(
                "%s: computed %d samples x %s dimensions in %s (%.1f per second), %s on disk",
                teacher.name, computed, store.width, format_duration(seconds), computed / seconds, format_size(store.nbytes),
            )  # fmt: skip
        if truncated[number]:
            log.warning(
                "%s: %d of %d inputs were longer than %s and were truncated",
                teacher.name, truncated[number], computed * store.views, teacher.backbone.limit(),
            )  # fmt: skip
