"""Compute a teacher's features once, and keep them."""

import copy
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aft.data import Dataset
from aft.errors import ModelError, UsageError, did_you_mean
from aft.features import FeatureStore, Sample, StoreWriter, committed_ids
from aft.models import Backbone, choose_device, load_backbone, weights_digest
from aft.progress import Progress, duration, size

log = logging.getLogger("aft")

Precision = Literal["fp32", "bf16", "fp16"]
Dtype = Literal["float16", "float32"]
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Settings:
    """How to run a teacher; see `extract` for each.

    Raises:
        UsageError: An unknown precision or type, or an empty batch.
    """

    layer: str | None = None
    pooling: str | None = None
    weights: str | None = None
    prompt: str | None = None
    preprocess: Any = None
    device: str = "auto"
    precision: Precision = "fp32"
    dtype: Dtype = "float16"
    batch_size: int = 32
    bad_inputs: Literal["error", "skip"] | None = None

    def __post_init__(self) -> None:
        for option, value, known in (("precision", self.precision, Precision), ("dtype", self.dtype, Dtype)):
            if value not in get_args(known):
                raise UsageError(f"unknown {option} {value!r}{did_you_mean(str(value), get_args(known))}")
        if self.batch_size < 1:
            raise UsageError(f"a batch has at least one sample; received {self.batch_size}; 32 is usual")


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
            f"{self.samples} of {self.total} samples to compute, {self.dim} dimensions: about {duration(self.seconds)} and "
            f"{size(self.bytes)} ({size(self.free)} free)"
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
    job = _Job(dataset, teacher, name, out, settings, progress)
    writer = job.plan(shard_rows, overwrite)
    pending = writer.pending()
    rows = sum(writer.rows(shard) for shard in pending)
    if not rows:
        log.info("%s: all %d samples are there; nothing to compute", job.name, len(job.dataset))
        return writer.finish()
    start, cut = time.monotonic(), 0
    position = {sample_id: index for index, sample_id in enumerate(job.dataset.ids)}
    with Progress(rows, job.name, "samples", quiet=not progress) as bar:
        for shard in pending:
            indices = [position[sample.id] for sample in writer.samples(shard)]
            features, truncated = job.compute(indices, bar)
            cut += truncated
            writer.commit(shard, features)
    store = writer.finish()
    seconds = time.monotonic() - start
    log.info("%s: %d samples x %d in %s (%.1f a second), %s on disk",
             job.name, rows, store.dim, duration(seconds), rows / seconds, size(store.nbytes))  # fmt: skip
    if cut:
        log.warning("%s: %d of %d inputs were longer than %s and were cut", job.name, cut, rows, job.backbone.limit())
    return store


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
    job = _Job(dataset, teacher, name, out, Settings(**options), False)
    total = len(job.dataset)
    present = committed_ids(job.folder)
    rest = [index for index, sample_id in enumerate(job.dataset.ids) if sample_id not in present]
    tried = [rest[i] for i in np.linspace(0, len(rest) - 1, min(trial, len(rest))).astype(int).tolist()] if rest else []
    seconds, cut = 0.0, 0
    if tried:
        job.compute(tried[: job.settings.batch_size], None)  # the first pass sets up more than it computes
        start = time.monotonic()
        cut = job.compute(tried, None)[1]
        seconds = (time.monotonic() - start) / len(tried) * len(rest)
    width = np.dtype(job.settings.dtype).itemsize * job.backbone.dim
    existing = next(parent for parent in [job.folder, *job.folder.absolute().parents] if parent.exists())
    return Estimate(
        samples=len(rest), total=total, dim=job.backbone.dim, seconds=seconds, bytes=len(rest) * (width + 100),
        free=shutil.disk_usage(existing).free, truncated=cut / max(1, len(tried)),
    )  # fmt: skip


class _Job:
    """A teacher, a dataset, and how to run the one over the other."""

    def __init__(
        self,
        dataset: Dataset,
        teacher: str | nn.Module,
        name: str | None,
        out: str | Path,
        settings: Settings,
        progress: bool,
    ) -> None:
        self.settings = settings
        self.name = name or default_name(teacher)
        self.folder = Path(out) / self.name
        self.device = choose_device(settings.device)
        with Progress(len(dataset), "reading inputs", "samples", quiet=not progress) as bar:
            self.dataset = dataset.verified(settings.bad_inputs, bar)
        if len(self.dataset) < len(dataset):
            log.warning(
                "%d of %d inputs cannot be read and were left out", len(dataset) - len(self.dataset), len(dataset)
            )
        self.backbone: Backbone = load_backbone(
            copy.deepcopy(teacher) if isinstance(teacher, nn.Module) else teacher,  # its precision is changed below
            role="teacher",
            example=self.dataset.inputs[0],
            preprocess=settings.preprocess,
            layer=settings.layer,
            pooling=settings.pooling,
            weights=settings.weights,
            prompt=settings.prompt,
        )
        if self.dataset.kind not in self.backbone.accepts:
            raise ModelError(
                f"a teacher takes the dataset's kind of input; {self.backbone.spec} takes {' or '.join(self.backbone.accepts)}, and the "
                f"dataset holds {self.dataset.kind} inputs; choose another teacher or column"
            )
        self.digest = weights_digest(self.backbone)
        self.backbone.to(self.device, _TYPES[settings.precision])

    def plan(self, shard_rows: int | None, overwrite: bool) -> StoreWriter:
        """The store's writer."""
        spec, _, options = self.backbone.spec.partition(",")
        kind, _, path = spec.partition(":")
        # A folder that moves is still the same model: the digest of its weights says which.
        model = f"{kind}:{Path(path).name}" if Path(path).exists() else spec
        described = {f"preprocessing.{key}": _scalar(value) for key, value in self.backbone.preprocessing().items()}
        return StoreWriter.plan(
            self.folder, name=self.name, dim=self.backbone.dim, dtype=self.settings.dtype,
            fingerprint={
                "model": model + (f",{options}" if options else ""), "weights": self.digest, "precision": self.settings.precision,
                "layer": getattr(self.backbone, "layer", None), "pooling": getattr(self.backbone, "pooling", None),
                "input": self.dataset.kind, **described,
            },
            samples=[Sample(*pair) for pair in zip(self.dataset.ids, self.dataset.digests, strict=True)],
            shard_rows=shard_rows, overwrite=overwrite,
        )  # fmt: skip

    def compute(self, indices: Sequence[int], bar: Progress | None) -> tuple[NDArray[np.float32], int]:
        """Features of some samples, in their order, and how many inputs were cut."""
        out = np.empty((len(indices), self.backbone.dim), dtype=np.float32)
        cut = 0
        with torch.inference_mode():
            for places, encoded in self._batches(indices):
                batch = {key: self._place(value) for key, value in self.backbone.collate(encoded).items()}
                with _explained(self.settings.batch_size):
                    out[places] = self.backbone(batch).float().cpu().numpy()
                cut += sum(self.backbone.truncated(item) for item in encoded)
                if bar is not None:
                    bar(len(places))
        return out, cut

    def _batches(self, indices: Sequence[int]) -> Iterator[tuple[list[int], list[Any]]]:
        """Batches of like length, longest first: what does not fit in memory fails at once, and time is never underestimated."""
        inputs = self.dataset.inputs
        if self.dataset.kind in ("text", "pair"):
            encoded = self.backbone.encode([inputs[index] for index in indices])
            order = sorted(range(len(indices)), key=lambda place: (-self.backbone.length(encoded[place]), place))
            for start in range(0, len(order), self.settings.batch_size):
                places = order[start : start + self.settings.batch_size]
                yield places, [encoded[place] for place in places]
        else:
            for start in range(0, len(indices), self.settings.batch_size):
                places = list(range(start, min(start + self.settings.batch_size, len(indices))))
                yield places, self.backbone.encode([inputs[indices[place]] for place in places])

    def _place(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self.device, _TYPES[self.settings.precision] if value.is_floating_point() else value.dtype)


def default_name(teacher: str | nn.Module) -> str:
    """The last part of a teacher's name."""
    if isinstance(teacher, nn.Module):
        return type(teacher).__name__
    path = teacher.partition(":")[2].partition(",")[0].rstrip("/")
    return path.replace(":", "/").rpartition("/")[2].lstrip(".") or "teacher"


def _explained(batch_size: int) -> AbstractContextManager[None]:
    return _OutOfMemory(batch_size) if torch.cuda.is_available() else nullcontext()


class _OutOfMemory(AbstractContextManager[None]):
    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            raise ModelError(
                f"a batch must fit in the device's memory; {self._batch_size} samples do not; lower --batch-size or use --precision bf16"
            ) from error


def _scalar(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else repr(value)
