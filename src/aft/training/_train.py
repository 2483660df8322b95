"""Train a student: ``aft.train``."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from aft.data import Dataset
from aft.errors import UsageError, name_some
from aft.features import FeatureStore
from aft.objectives import check_options
from aft.core import rank_zero_first
from aft.runs._directory import claim
from aft.runs._train_config import TrainConfig
from aft.runs._run import Run, RunLayout
from aft.training._problem import Training

log = logging.getLogger("aft")


def train(
    dataset: Dataset,
    student: str | nn.Module,
    features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path = (),
    *,
    out: str | Path,
    preprocess: Callable[[Any], Any] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Train a small model on a labelled task, keeping what the teachers' features say that the task needs.

    Interrupted, it goes on where it stopped when it is called again; a finished run of the same settings is returned as it is.
    Where torchrun has started several processes, all call this, and train the student together: each on its share of every
    batch, to the same end as one process; the first alone writes to the run folder.

    Args:
        dataset: The samples; those without a label still feed the objective.
        student: Name of the student (see `aft.models.load_backbone`), or a module, which is copied, not changed.
        features: Feature stores of the teachers, or their folders. Every training sample must be in each; test samples need not.
        out: The run folder.
        preprocess: For a module: maps one raw input to a tensor.
        overwrite: Train anew, replacing the run that is there, finished or not.
        progress: Show progress on the standard error stream.
        **settings: Fields of `aft.training.TrainConfig`: ``method``, ``beta``, ``strength``, ``steps``, ``seed``, ...

    Returns:
        The run.

    Raises:
        UsageError: Settings that do not fit.
        DataError: Labels or splits that cannot be used.
        UnknownIdError: A store lacks training samples.
        RunError: ``out`` holds a run of other settings; each differing one is named.
        NonFiniteError: A loss became NaN or infinite; the ids of the batch are named.

    Example:
        >>> run = aft.train(dataset, "timm:resnet18", features=["features/dinov2"], method="aft", beta="auto", out="runs/a")
        >>> run.error
        0.061
    """
    name = student if isinstance(student, str) else f"module:{type(student).__name__}"
    config = TrainConfig.of(student=name, **settings)
    check_options(config.method, config.options)
    stores = open_stores(features)
    training = Training(dataset, student, stores, config, preprocess=preprocess, progress=progress)
    layout = RunLayout(Path(out))
    finished = rank_zero_first(lambda: claim(layout, training.description(), overwrite))
    if finished is not None:
        log.info("%s is finished already; nothing to do", layout.folder)
        return finished
    return training.run(layout)


def open_stores(features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path) -> list[FeatureStore]:
    """Open feature stores.

    Args:
        features: A store or its folder, or several.

    Returns:
        The stores.

    Raises:
        UsageError: Two of the same name.
    """
    listed = [features] if isinstance(features, FeatureStore | str | Path) else list(features)
    stores = [item if isinstance(item, FeatureStore) else FeatureStore.open(item) for item in listed]
    names = [store.name for store in stores]
    if len(set(names)) != len(names):
        raise UsageError(
            f"teachers have different names; received {name_some(names, 8)}; extract one again under another NAME"
        )
    return stores
