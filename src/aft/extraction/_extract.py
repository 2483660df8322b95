"""Compute a teacher's features once, and keep them."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from torch import nn

from aft.data import Dataset
from aft.errors import UsageError, did_you_mean
from aft.extraction._engine import Engine, run_units
from aft.extraction._teacher import Dtype, Job, Precision, Settings, compute, default_name, group, load_teachers
from aft.extraction._worker import Unit, Worker
from aft.features import FeatureStore, committed_ids, local_folder
from aft.models import choose_device
from aft.core import broadcast_object, rank, barrier, world_size
from aft.core import Progress, format_duration, format_size

log = logging.getLogger("aft")


@dataclass(frozen=True)
class Estimate:
    """What an extraction will take.

    Attributes:
        samples: Samples still to be computed.
        total: Samples of the dataset.
        dim: Width of the features.
        seconds: Time, from a trial on some of the samples.
        bytes: Disk for the features.
        free: Disk that is free there.
        truncated: Share of the tried inputs that are longer than the teacher's limit.
    """

    samples: int
    total: int
    dim: int
    seconds: float
    bytes: int
    free: int
    truncated: float

    def __str__(self) -> str:
        return (
            f"{self.samples} of {self.total} samples to compute, {self.dim} dimensions: about {format_duration(self.seconds)} and "
            f"{format_size(self.bytes)} ({format_size(self.free)} free)"
        )


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
    overwrite: bool = False,
    progress: bool = True,
    processes: int | None = None,
    threads: int | None = None,
    engine: Engine = "local",
) -> FeatureStore:
    """Run a teacher over a dataset and keep its features in a store. Labels are not needed.

    Interrupted, it goes on where it stopped when it is called again; features that are there are not computed again; new
    samples are added.

    Args:
        dataset: The samples.
        teacher: Its name (see `aft.models.load_backbone`) or a module.
        name: What to call it: the store's name and the objective's key; by default the last part of the teacher's name.
        out: Folder of stores; the features go to ``out/name``.
        layer: Layer to take instead of the teacher's usual features.
        pooling: How to make one vector of that layer's output.
        weights: ``"pretrained"``, ``"random"`` or a file.
        prompt: Put before each text, where the teacher wants that.
        preprocess: For a module: maps one raw input to a tensor.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        precision: Of the forward pass: ``"fp32"``, ``"bf16"``, ``"fp16"``.
        dtype: Of the features on disk.
        batch_size: Samples a forward pass; texts of like length share one.
        shard_rows: Samples a shard: what an interruption can cost.
        bad_inputs: ``"skip"`` leaves out inputs that cannot be read, and says how many; by default as the dataset was made.
        overwrite: Replace a store of something else.
        progress: Show progress on the standard error stream.
        processes: How many compute shards side by side; more than one on a CPU with many cores, or on several under a launcher like torchrun,
            whose ranks share the shards by themselves. The bytes are the same, at equal threads.
        threads: Threads of each; by default torch's for one process, and the cores shared out among several.
        engine: ``"ray"`` computes by actors of the Ray cluster that ``RAY_ADDRESS`` names, or of one on this machine; all machines must see
            ``out`` in the same place.

    Returns:
        The finished store.

    Raises:
        DataError: Inputs that cannot be used.
        ModelError: A teacher that cannot be loaded, or does not take such inputs.
        FingerprintError: ``out/name`` holds other features; each differing field is named.
        BadFeatureError: The teacher gave NaN, infinity, or values beyond ``dtype``; the ids are named.

    Example:
        >>> store = aft.extract(dataset, teacher="timm:vit_small_patch14_dinov2.lvd142m", name="dinov2", out="features/")
    """
    settings = Settings(layer, pooling, weights, prompt, preprocess, device, precision, dtype, batch_size, bad_inputs)
    teachers = {name or default_name(teacher): teacher}
    stores = _run(dataset, teachers, out, settings, shard_rows, overwrite, progress, processes, threads, engine)
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
    """Run several teachers over a dataset in one pass: each sample is read once, and is computed by all.

    Teachers that are one model read at several layers share its forward pass, so that six layers cost what one does.

    Args:
        dataset: The samples.
        teachers: By the name of each store, the model; see `extract`.
        out: Folder of stores.
        shard_rows: As for `extract`.
        overwrite: As for `extract`.
        progress: As for `extract`.
        processes: As for `extract`.
        threads: As for `extract`.
        engine: As for `extract`.
        **options: Fields of `Settings`, for all of them.

    Returns:
        The finished stores, in the order given.

    Raises:
        AftError: As for `extract`; nothing is computed unless every teacher can be.

    Example:
        >>> extract_all(dataset, {"last": "hf:MODEL", "third": "hf:MODEL,layer=encoder.layer.2"}, out="features/")
    """
    return _run(
        dataset, teachers, out, Settings(**options), shard_rows, overwrite, progress, processes, threads, engine
    )


def _run(
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
            f"an extraction needs a process and a thread at least; received processes={processes}, threads={threads}; leave them out for the usual"
        )
    first, start = rank() == 0, time.monotonic()
    progress = progress and first
    with Progress(len(dataset), "reading inputs", "samples", quiet=not progress) as bar:
        readable = dataset.verified(settings.bad_inputs, bar)
    if len(readable) < len(dataset):
        log.warning("%d of %d inputs cannot be read and were left out", len(dataset) - len(readable), len(dataset))
    if not first:
        barrier()  # the first rank plans; the others find its plan
    worker = Worker(readable, teachers, out, settings, shard_rows, overwrite and first)
    units = worker.pending()
    if first:
        barrier()
        for job, writer in zip(worker.jobs, worker.writers, strict=True):
            if not writer.pending():
                log.info("%s: all %d samples are there; nothing to compute", job.name, len(readable))
    barrier()  # nobody commits before everybody has planned
    if world_size() > 1:
        if first:
            worker.refresh()  # a rank may just have sent what an interruption had left on its machine
        units = broadcast_object(units if not first else worker.pending())
    mine = units[rank() :: world_size()]
    total = sum(unit.vectors for unit in mine)
    done = [0] * len(worker.jobs)
    names = ", ".join(
        worker.jobs[number].name for number in sorted({number for unit in units for number, _ in unit.shards})
    )
    with Progress(total, names, "samples" if "," not in names else "vectors", quiet=not progress) as bar:
        for cut in run_units(
            worker, mine, partial(Worker, readable, teachers, out, settings), processes, threads, bar, engine
        ):
            done = [before + now for before, now in zip(done, cut, strict=True)]
    barrier()
    if first:
        stores = [writer.finish() for writer in worker.writers]
        barrier()
    else:
        barrier()
        stores = [FeatureStore.open(writer.place) for writer in worker.writers]
    _tell(worker, units, stores, done, time.monotonic() - start)
    return stores


def _tell(
    worker: Worker, units: Sequence[Unit], stores: Sequence[FeatureStore], cut: Sequence[int], seconds: float
) -> None:
    """Say what was computed, how fast, and how much of it was cut."""
    for number, (job, store) in enumerate(zip(worker.jobs, stores, strict=True)):
        computed = sum(unit.vectors // len(unit.shards) for unit in units if number in dict(unit.shards))
        if computed and rank() == 0:
            log.info("%s: %d samples x %d in %s (%.1f a second), %s on disk",
                     job.name, computed, store.dim, format_duration(seconds), computed / seconds, format_size(store.nbytes))  # fmt: skip
        if cut[number]:
            log.warning(
                "%s: %d of %d inputs were longer than %s and were cut", job.name, cut[number], computed, job.backbone.limit()
            )  # fmt: skip


def estimate(
    dataset: Dataset,
    teacher: str | nn.Module,
    *,
    name: str | None = None,
    out: str | Path,
    trial: int = 48,
    **options: Any,
) -> Estimate:
    """Tell what an extraction would take, writing nothing.

    Args:
        dataset: The samples.
        teacher: As for `extract`.
        name: As for `extract`.
        out: As for `extract`.
        trial: Samples to time, spread over the dataset.
        **options: Fields of `Settings`, as for `extract`.

    Returns:
        Time and disk.
    """
    settings = Settings(**options)
    device = choose_device(settings.device)
    readable = dataset.verified(settings.bad_inputs)
    name = name or default_name(teacher)
    job = Job(readable, load_teachers(readable, {name: teacher}, settings)[name], name, out, settings, device)
    total = len(job.dataset)
    present = committed_ids(job.place)
    rest = [index for index, sample_id in enumerate(job.dataset.ids) if sample_id not in present]
    tried = [rest[i] for i in np.linspace(0, len(rest) - 1, min(trial, len(rest))).astype(int).tolist()] if rest else []
    seconds, cut = 0.0, 0
    if tried:
        groups = group([job])
        compute(groups, tried[: settings.batch_size], None)  # the first pass sets up more than it computes
        start, before = time.monotonic(), job.cut
        compute(groups, tried, None)
        cut = job.cut - before
        seconds = (time.monotonic() - start) / len(tried) * len(rest)
    width = np.dtype(job.settings.dtype).itemsize * job.backbone.dim
    folder = local_folder(job.place)
    existing = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    return Estimate(
        samples=len(rest), total=total, dim=job.backbone.dim, seconds=seconds, bytes=len(rest) * (width + 100),
        free=shutil.disk_usage(existing).free, truncated=cut / max(1, len(tried)),
    )  # fmt: skip
