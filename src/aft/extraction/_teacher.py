"""Load teachers, and plan a store for the features of each."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aft.catalogue import KNOWN_MODELS
from aft.data import Dataset, Views
from aft.extraction._settings import Settings
from aft.features import Samples, StoreWriter, join_location
from aft.models import Backbone, ModelSpec, load_backbone, weights_digest


def load_teachers(dataset: Dataset, teachers: Mapping[str, str | nn.Module], settings: Settings) -> dict[str, Backbone]:
    """Load teachers. Those that read the same network at several layers share it.

    Args:
        dataset: The dataset that they will run on.
        teachers: Models by the name of the teacher.
        settings: How to run them.

    Returns:
        Backbones by the name of the teacher, in evaluation mode.

    Raises:
        ModelError: A teacher cannot be loaded, or does not accept the dataset's inputs.
    """
    loaded: dict[str, Backbone] = {}
    networks: dict[tuple[Any, ...], Backbone] = {}
    options = {name: getattr(settings, name) for name in ("layer", "pooling", "weights", "prompt")}
    given = {name: value for name, value in options.items() if value is not None}
    for name, teacher in teachers.items():
        key: tuple[Any, ...] = (id(teacher),)
        spec = None
        if isinstance(teacher, str):
            parsed = ModelSpec.parse(teacher)
            spec = ModelSpec(parsed.kind, parsed.name, {**given, **parsed.options})
            shared = {k: v for k, v in spec.options.items() if k not in ("layer", "pooling")}
            key = (spec.kind, spec.name, tuple(sorted(shared.items())))
        backbone = None
        if spec is not None and key in networks:
            backbone = networks[key].at_layer(spec.options.get("layer"), spec.options.get("pooling"), dataset.inputs[0])
            if backbone is not None:
                backbone.spec = str(spec)  # the same fingerprint as if it had been loaded separately
        if backbone is None:
            backbone = load_backbone(
                copy.deepcopy(teacher) if isinstance(teacher, nn.Module) else teacher,  # its precision is changed below
                role="teacher", example=dataset.inputs[0], preprocess=settings.preprocess, **options,
            )  # fmt: skip
            networks.setdefault(key, backbone)
        backbone.read(dataset.modality, "teacher")
        backbone.check_deterministic(dataset.inputs)
        loaded[name] = backbone
    for backbone in loaded.values():
        backbone.eval()  # after loading: a second wrapper of a shared network starts in training mode
    return loaded


class TeacherRun:
    """A teacher that runs over a dataset and writes to a store.

    Attributes:
        views: The views of each sample that it sees.
        computed: Number of vectors computed so far.
        truncated: For how many of them the input was longer than the teacher's limit.
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
        self.location = join_location(out, name)
        self.settings = settings
        self.device = device
        self.views = Views(dataset.modality, settings.views, settings.view_seed)
        self.digest = weights_digest(backbone)
        self.computed = self.truncated = 0

    def plan(self, shard_rows: int | None, overwrite: bool) -> StoreWriter:
        """Plan the store, or resume the one that exists.

        Args:
            shard_rows: Rows per new shard, or None for the default.
            overwrite: Replace an existing store of other features.

        Returns:
            The store's writer.
        """
        samples = Samples(self.dataset.ids, self.dataset.digests)
        return StoreWriter.plan(
            self.location, **self._identity(), samples=samples, shard_rows=shard_rows, overwrite=overwrite
        )

    def resume(self) -> StoreWriter:
        """The writer of the store that another process has planned."""
        return StoreWriter.resume(self.location, **self._identity())

    def _identity(self) -> dict[str, Any]:
        """Name and kind of the features, as the store's plan holds them."""
        spec, _, options = self.backbone.spec.partition(",")
        kind, _, path = spec.partition(":")
        # A model keeps its fingerprint when its directory is moved: the digest of its weights identifies it.
        model = f"{kind}:{Path(path).name}" if Path(path).exists() else spec
        preprocessing = {
            f"preprocessing.{key}": _as_json(value) for key, value in self.backbone.preprocessing().items()
        }
        part = self.backbone.reads
        reads = {} if part is None else {"reads": self.dataset.modality[part]}
        fingerprint = {
            "model": model + (f",{options}" if options else ""), "weights": self.digest,
            "precision": self.settings.precision, "layer": getattr(self.backbone, "layer", None),
            "pooling": getattr(self.backbone, "pooling", None), "input": self.dataset.kind, **reads,
            **preprocessing, **self.views.fingerprint,
        }  # fmt: skip
        dim = self.backbone.dim * self.views.count
        return {"name": self.name, "dim": dim, "dtype": self.settings.dtype, "fingerprint": fingerprint}


def default_name(teacher: str | nn.Module) -> str:
    """The default name of a teacher: its short name, or the last part of its model's name.

    Args:
        teacher: The model's name, or a module.

    Returns:
        The name, for example ``"resnet50"`` for ``"timm:resnet50"``.
    """
    if isinstance(teacher, nn.Module):
        return type(teacher).__name__
    if teacher.partition(",")[0] in KNOWN_MODELS:
        return teacher.partition(",")[0]
    path = teacher.partition(":")[2].partition(",")[0].rstrip("/")
    return path.replace(":", "/").rpartition("/")[2].lstrip(".") or "teacher"


def _as_json(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else repr(value)
