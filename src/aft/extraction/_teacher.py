"""Teachers over some samples of a dataset, and what identifies the features that come out."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aft.data import Dataset
from aft.errors import ModelError, UsageError, did_you_mean
from aft.features import Sample, StoreWriter, inside
from aft.models._memory import explain_out_of_memory
from aft.models import Backbone, ModelSpec, load_backbone, weights_digest
from aft.core import Progress

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


def load_teachers(dataset: Dataset, teachers: Mapping[str, str | nn.Module], settings: Settings) -> dict[str, Backbone]:
    """Load teachers, those that are one model read at several layers once.

    Args:
        dataset: What they will be run over.
        teachers: By name.
        settings: How to run them.

    Returns:
        Backbones by the same names.

    Raises:
        ModelError: A teacher that cannot be loaded, or does not take such inputs.
    """
    loaded: dict[str, Backbone] = {}
    first: dict[tuple[Any, ...], Backbone] = {}
    asked = {name: getattr(settings, name) for name in ("layer", "pooling", "weights", "prompt")}
    given = {name: value for name, value in asked.items() if value is not None}
    for name, teacher in teachers.items():
        key: tuple[Any, ...] = (id(teacher),)
        spec = None
        if isinstance(teacher, str):
            parsed = ModelSpec.parse(teacher)
            spec = ModelSpec(parsed.kind, parsed.name, {**given, **parsed.options})
            rest = {k: v for k, v in spec.options.items() if k not in ("layer", "pooling")}
            key = (spec.kind, spec.name, tuple(sorted(rest.items())))
        backbone = None
        if spec is not None and key in first:
            backbone = first[key].reading(spec.options.get("layer"), spec.options.get("pooling"), dataset.inputs[0])
            if backbone is not None:
                backbone.spec = str(spec)  # as if it had been loaded by itself
        if backbone is None:
            backbone = load_backbone(
                copy.deepcopy(teacher) if isinstance(teacher, nn.Module) else teacher,  # its precision is changed below
                role="teacher", example=dataset.inputs[0], preprocess=settings.preprocess, **asked,
            )  # fmt: skip
            first.setdefault(key, backbone)
        if dataset.kind not in backbone.accepts:
            raise ModelError(
                f"a teacher takes the dataset's kind of input; {backbone.spec} takes {' or '.join(backbone.accepts)}, and the "
                f"dataset holds {dataset.kind} inputs; choose another teacher or column"
            )
        loaded[name] = backbone
    for backbone in loaded.values():
        backbone.eval()  # only now: to read a shared network at another layer begins with a fresh wrapper, in training mode
    return loaded


class Job:
    """A teacher over a dataset, into a store.

    Attributes:
        computed: Samples computed so far.
        cut: How many of them were longer than the teacher's limit.
    """

    def __init__(
        self,
        dataset: Dataset,
        backbone: Backbone,
        name: str,
        out: str | Path,
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.dataset = dataset
        self.backbone = backbone
        self.name = name
        self.place = inside(out, name)
        self.settings = settings
        self.device = device
        self.digest = weights_digest(backbone)
        self.computed = self.cut = 0

    def plan(self, shard_rows: int | None, overwrite: bool) -> StoreWriter:
        """The store's writer."""
        spec, _, options = self.backbone.spec.partition(",")
        kind, _, path = spec.partition(":")
        # A folder that moves is still the same model: the digest of its weights says which.
        model = f"{kind}:{Path(path).name}" if Path(path).exists() else spec
        described = {f"preprocessing.{key}": _scalar(value) for key, value in self.backbone.preprocessing().items()}
        return StoreWriter.plan(
            self.place, name=self.name, dim=self.backbone.dim, dtype=self.settings.dtype,
            fingerprint={
                "model": model + (f",{options}" if options else ""), "weights": self.digest, "precision": self.settings.precision,
                "layer": getattr(self.backbone, "layer", None), "pooling": getattr(self.backbone, "pooling", None),
                "input": self.dataset.kind, **described,
            },
            samples=[Sample(*pair) for pair in zip(self.dataset.ids, self.dataset.digests, strict=True)],
            shard_rows=shard_rows, overwrite=overwrite,
        )  # fmt: skip


class _Shared:
    """The forward pass of a network that several teachers read: it runs once a batch."""

    def __init__(self, network: nn.Module) -> None:
        self._forward = network.forward
        self._output: Any = None
        network.forward = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._output is None:
            self._output = self._forward(*args, **kwargs)
        return self._output

    def forget(self) -> None:
        """The next batch comes."""
        self._output = None


class Group:
    """Teachers that are one network, read at several layers; one alone is a group too.

    Args:
        jobs: The teachers.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
        self.backbone = jobs[0].backbone
        self._settings, self._device = jobs[0].settings, jobs[0].device
        network = self.backbone.network
        shared = network.forward if isinstance(network.forward, _Shared) else None
        self._shared = shared or (_Shared(network) if len(jobs) > 1 else None)
        self.backbone.to(self._device, _TYPES[self._settings.precision])

    def forward(self, encoded: Sequence[Any]) -> Iterator[NDArray[np.float32]]:
        """Features of a batch by each of the teachers, ``(B, D_m)``."""
        batch = {key: self._placed(value) for key, value in self.backbone.collate(encoded).items()}
        if self._shared is not None:
            self._shared.forget()
        cut = sum(self.backbone.truncated(item) for item in encoded)
        for job in self.jobs:
            with explain_out_of_memory(self._settings.batch_size):
                features: NDArray[np.float32] = job.backbone(batch).float().cpu().numpy()
            job.computed += len(features)
            job.cut += cut
            yield features

    def _placed(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self._device, _TYPES[self._settings.precision] if value.is_floating_point() else value.dtype)


def group(jobs: Sequence[Job]) -> list[Group]:
    """Put teachers of one network together, in the order of the first of each."""
    found: dict[int, list[Job]] = {}
    for job in jobs:
        found.setdefault(id(job.backbone.network), []).append(job)
    return [Group(members) for members in found.values()]


def compute(groups: Sequence[Group], indices: Sequence[int], bar: Progress | None) -> dict[str, NDArray[np.float32]]:
    """Features of some samples by several teachers; each input is read once.

    Args:
        groups: The teachers.
        indices: Positions of the samples in their dataset.
        bar: Told of each vector.

    Returns:
        For each teacher by name ``(n, D_m)``, in the samples' order.
    """
    jobs = [job for part in groups for job in part.jobs]
    dataset, size = jobs[0].dataset, jobs[0].settings.batch_size
    out = {job.name: np.empty((len(indices), job.backbone.dim), dtype=np.float32) for job in jobs}

    def run(part: Group, places: list[int], encoded: list[Any]) -> None:
        for job, features in zip(part.jobs, part.forward(encoded), strict=True):
            out[job.name][places] = features
        if bar is not None:
            bar(len(places) * len(part.jobs))

    with torch.inference_mode():
        if dataset.kind in ("text", "pair"):
            for part in groups:
                encoded = part.backbone.encode([dataset.inputs[index] for index in indices])
                # Of like length, longest first: what does not fit in memory fails at once, and time is never underestimated.
                order = sorted(range(len(indices)), key=lambda place: (-part.backbone.length(encoded[place]), place))
                for start in range(0, len(order), size):
                    places = order[start : start + size]
                    run(part, places, [encoded[place] for place in places])
        else:
            for start in range(0, len(indices), size):
                places = list(range(start, min(start + size, len(indices))))
                raw = [dataset.inputs[indices[place]] for place in places]
                for part in groups:
                    run(part, places, part.backbone.encode(raw))
    return out


def default_name(teacher: str | nn.Module) -> str:
    """The last part of a teacher's name."""
    if isinstance(teacher, nn.Module):
        return type(teacher).__name__
    path = teacher.partition(":")[2].partition(",")[0].rstrip("/")
    return path.replace(":", "/").rpartition("/")[2].lstrip(".") or "teacher"


def _scalar(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else repr(value)
