"""Estimate the time and disk space of an extraction without writing anything."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from aft.core import format_duration, format_size
from aft.data import Dataset
from aft.extraction._compute import compute_features, group_by_network
from aft.extraction._settings import Settings
from aft.extraction._teacher import TeacherRun, default_name, load_teachers
from aft.features import committed_ids, local_directory
from aft.models import choose_device

#: Bytes per sample for ids, digests and the index.
OVERHEAD = 100


@dataclass(frozen=True)
class Estimate:
    """What an extraction will need.

    Attributes:
        samples: Number of samples that remain to be computed.
        total: Number of samples of the dataset.
        views: Number of views of each.
        dim: Width of the features.
        seconds: Time, extrapolated from a trial on some of the samples.
        bytes: Disk space for the features, in bytes.
        free: Free disk space at the target, in bytes.
        truncated: Fraction of the tried inputs that are longer than the teacher's limit.
    """

    samples: int
    total: int
    views: int
    dim: int
    seconds: float
    bytes: int
    free: int
    truncated: float

    def __str__(self) -> str:
        return (
            f"{self.samples} of {self.total} samples to compute, {f'{self.views} views, ' * (self.views > 1)}{self.dim} dimensions: "
            f"about {format_duration(self.seconds)} and {format_size(self.bytes)} ({format_size(self.free)} free)"
        )


def estimate(
    dataset: Dataset,
    teacher: str | nn.Module,
    *,
    name: str | None = None,
    out: str | Path,
    trial: int = 48,
    **options: Any,
) -> Estimate:
    """Estimate the time and disk space of an extraction without writing anything.

    Args:
        dataset: The samples.
        teacher: As for `extract`.
        name: As for `extract`.
        out: As for `extract`.
        trial: Number of samples to time, spread evenly over the dataset.
        **options: Fields of `Settings`, as for `extract`.

    Returns:
        The estimate.

    Raises:
        AftError: As for `extract`.

    Example:
        >>> print(estimate(dataset, "timm:resnet50", out="features/"))
        7390 of 7390 samples to compute, 2048 dimensions: about 6 min 4 s and 31.0 MB (120.3 GB free)
    """
    settings = Settings(**options)
    device = choose_device(settings.device)
    readable = dataset.verified(settings.bad_inputs)
    name = name or default_name(teacher)
    backbone = load_teachers(readable, {name: teacher}, settings)[name]
    run = TeacherRun(readable, backbone, name, out, settings, device)
    committed = committed_ids(run.location)
    pending = [index for index, sample_id in enumerate(readable.ids) if sample_id not in committed]
    trial = -(-trial // settings.views)
    evenly = np.linspace(0, len(pending) - 1, min(trial, len(pending))).astype(int).tolist() if pending else []
    tried = [pending[i] for i in evenly]
    seconds, truncated = 0.0, 0
    if tried:
        groups = group_by_network([run])
        compute_features(groups, tried[: settings.batch_size])  # the first pass includes one-off initialisation
        start, before = time.monotonic(), run.truncated
        compute_features(groups, tried)
        truncated = run.truncated - before
        seconds = (time.monotonic() - start) / len(tried) * len(pending)
    width = np.dtype(settings.dtype).itemsize * backbone.dim * settings.views
    directory = local_directory(run.location)
    existing = next(parent for parent in [directory, *directory.absolute().parents] if parent.exists())
    return Estimate(
        samples=len(pending), total=len(readable), views=settings.views, dim=backbone.dim, seconds=seconds,
        bytes=len(pending) * (width + OVERHEAD), free=shutil.disk_usage(existing).free,
        truncated=truncated / max(1, len(tried) * settings.views),
    )  # fmt: skip
