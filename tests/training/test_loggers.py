"""Where losses are logged besides ``metrics.csv``."""

import csv
import json
import sys

import pytest

import aft
from aft.errors import MissingExtraError, UsageError
from aft.runs import HParams, RunLayout, TrainConfig
from aft.training._loggers import make_loggers

STUDENT = "aft:static,vocabulary=200,width=8"


def train(dataset, store, out, logger, **settings):
    """A short training."""
    settings = {"steps": 8, "lr": 1e-3, "beta": 1.0} | settings
    return aft.train(dataset, STUDENT, store, method="aft", out=out, logger=logger, progress=False, **settings)


def losses(run):
    """The task losses in a run's own file."""
    with (run.path / "metrics.csv").open() as file:
        return {int(row["step"]): float(row["task_loss"]) for row in csv.DictReader(file)}


def test_tensorboard_shows_losses_and_hyperparameters(dataset, store, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(dataset, store, tmp_path / "run", "tensorboard")
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert {event.step: event.value for event in events.Scalars("task_loss")} == pytest.approx(losses(run))
    assert "lr" in (run.path / "tensorboard" / "hparams.yaml").read_text()


def test_weights_and_biases_offline(dataset, store, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = train(dataset, store, tmp_path / "run", "wandb")
    number = json.loads((run.path / "logger.json").read_text())["run"]
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    assert folder.name.endswith(number)
    (record,) = folder.glob("run-*.wandb")
    content = record.read_bytes()
    assert b"task_loss" in content
    assert b"weighting" in content


def test_mlflow_keeps_losses_and_parameters_in_local_files(dataset, store, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    run = train(dataset, store, tmp_path / "run", "mlflow")
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    number = json.loads((run.path / "logger.json").read_text())["run"]
    history = {metric.step: metric.value for metric in client.get_metric_history(number, "task_loss")}
    assert history == pytest.approx(losses(run))
    kept = client.get_run(number)
    assert kept.info.run_name == "run"
    assert kept.info.status == "FINISHED"
    assert kept.data.params["method"] == "aft"
    assert float(kept.data.params["lr"]) == 1e-3


def test_a_resumed_run_goes_on_only_in_its_own_service(dataset, store, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    layout = RunLayout(tmp_path / "run")
    layout.directory.mkdir()
    config, hparams = TrainConfig(logger="mlflow"), HParams(1e-3, 10, 0.0)
    layout.logger.write_text('{"service": "wandb", "run": "ab12cd34"}')
    first = make_loggers(config, hparams, layout, 0)[1].run_id
    assert first != "ab12cd34"
    again = make_loggers(config.replace(workers=2), HParams(1e-2, 10, 0.0), layout, 0)[1]
    assert again.run_id == first
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    assert float(client.get_run(first).data.params["lr"]) == 1e-3
    assert "workers" not in client.get_run(first).data.params


def test_none_logs_to_the_runs_own_file_alone(dataset, store, tmp_path):
    run = train(dataset, store, tmp_path / "run", "none")
    assert losses(run)
    assert not (run.path / "tensorboard").exists()


def test_the_logger_is_no_part_of_what_a_run_is(dataset, store, tmp_path):
    first = train(dataset, store, tmp_path / "run", "none")
    again = train(dataset, store, tmp_path / "run", "tensorboard")
    assert again.result == first.result  # finished; nothing was trained


def test_a_logger_that_is_unknown_or_not_installed(dataset, store, tmp_path, monkeypatch):
    with pytest.raises(
        UsageError, match="logger= does not take that value; received 'board'; it should be 'tensorboard', 'wandb'"
    ):
        train(dataset, store, tmp_path / "run", "board")
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(
            MissingExtraError, match=f"^logger='{name}' writes to .* not installed; run pip install {name}, or"
        ):
            train(dataset, store, tmp_path / name, name)
