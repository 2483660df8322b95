"""Where the losses of a training are logged: a CSV file always, and TensorBoard, Weights & Biases or MLflow."""

import json
import os
import secrets
from typing import Any

from aft.core import write_json
from aft.errors import MissingExtraError
from aft.runs import OPERATIONAL, HParams, RunLayout, TrainConfig
from aft.training._csv_logger import CsvLogger


def make_loggers(config: TrainConfig, hparams: HParams, layout: RunLayout, start: int) -> list[Any]:
    """Make the loggers of a training.

    Args:
        config: The settings.
        hparams: Its hyperparameters.
        layout: The directory of the run.
        start: Number of steps that have been taken.

    Returns:
        Loggers of Lightning.

    Raises:
        MissingExtraError: The package of the chosen logger is not installed.
    """
    loggers: list[Any] = [CsvLogger(layout.metrics, start)]
    if config.logger != "none":
        known = _kept(layout, config.logger) is not None
        loggers.append(_MAKE[config.logger](layout))
        if not known:  # a run that goes on has its parameters, and services refuse to change them
            settings = config.model_dump(exclude=set(OPERATIONAL)) | vars(hparams)
            loggers[1].log_hyperparams({name: value for name, value in settings.items() if value not in (None, {})})
    return loggers


def _tensorboard(layout: RunLayout) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(layout.directory, name="tensorboard", version="", default_hp_metric=False)


def _wandb(layout: RunLayout) -> Any:
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise _missing("wandb", "Weights & Biases", "wandb") from error
    from lightning.pytorch.loggers import WandbLogger

    class Wandb(WandbLogger):
        def finalize(self, status: str) -> None:
            super().finalize(status)
            self.experiment.finish()  # or the next training in this process would go on in this run

    number = _kept(layout, "wandb") or secrets.token_hex(4)
    write_json(layout.logger, {"service": "wandb", "run": number})
    return Wandb(
        project=os.environ.get("WANDB_PROJECT", "aft"),
        name=layout.directory.name,
        id=number,
        resume="allow",
        save_dir=layout.directory,
    )


def _mlflow(layout: RunLayout) -> Any:
    try:
        import mlflow
    except ImportError as error:
        raise _missing("mlflow", "MLflow", "mlflow") from error
    from lightning.pytorch.loggers import MLFlowLogger

    logger = MLFlowLogger(
        os.environ.get("MLFLOW_EXPERIMENT_NAME", "aft"), run_name=layout.directory.name,
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or mlflow.get_tracking_uri(),
        run_id=_kept(layout, "mlflow"),
    )  # fmt: skip
    write_json(layout.logger, {"service": "mlflow", "run": logger.run_id})
    return logger


_MAKE = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}


def _kept(layout: RunLayout, service: str) -> str | None:
    """The number of the run in a service, if an interrupted training has got one there."""
    if not layout.logger.exists():
        return None
    kept = json.loads(layout.logger.read_text(encoding="utf-8"))
    return str(kept["run"]) if kept["service"] == service else None


def _missing(name: str, service: str, package: str) -> MissingExtraError:
    return MissingExtraError(
        f"logger={name!r} writes to {service}, which is not installed; run pip install {package}, or choose another logger="
    )
