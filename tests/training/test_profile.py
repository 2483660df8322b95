"""Where the time of a step goes."""

import logging
import re

import torch
from safetensors.torch import load_file

import aft
from aft.features import FeatureStore
from aft.runs import RunLayout
from aft.training import _profile

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200"
SETTINGS = {"method": "aft", "beta": 1.0, "steps": 30, "batch_size": 16, "lr": 0.02, "progress": False}


class Clock:
    """Goes on by a millisecond whenever it is read."""

    def __init__(self):
        self.milliseconds = 0

    def advance(self, milliseconds):
        self.milliseconds += milliseconds

    def perf_counter(self):
        self.advance(1)
        return self.milliseconds / 1000


def phases(messages):
    """Milliseconds by phase, from what was logged."""
    found = re.findall(r"^ {10}(\S.*?) +(\d+\.\d+) ms +\d+%$", "\n".join(messages), flags=re.MULTILINE)
    return {name: float(milliseconds) for name, milliseconds in found}


def test_the_phases_of_a_step_are_logged_and_change_nothing(dataset, store, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger="aft")
    plain = aft.train(dataset, STUDENT, store, out=tmp_path / "plain", **SETTINGS)
    assert not phases(caplog.messages)
    clock, take = Clock(), FeatureStore.take
    monkeypatch.setattr(_profile, "time", clock)
    monkeypatch.setattr(FeatureStore, "take", lambda *arguments: clock.advance(30) or take(*arguments))
    measured = aft.train(dataset, STUDENT, store, out=tmp_path / "measured", profile=True, **SETTINGS)
    found = phases(caplog.messages)
    assert found.keys() <= set(_profile.PHASES)
    assert found.keys() >= {"features of the teachers", "student", "loss and objective", "backward", "optimiser"}
    assert found["features of the teachers"] == 31
    assert any("the median of 20" in message for message in caplog.messages)
    one, two = (load_file(RunLayout(run.path).weights) for run in (plain, measured))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_only_some_steps_are_measured(dataset, store, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger="aft")
    monkeypatch.setattr(_profile, "MEASURED", 5)
    aft.train(dataset, STUDENT, store, out=tmp_path / "run", profile=True, workers=1, **SETTINGS)
    assert any("the median of 5:" in message for message in caplog.messages)
    found = phases(caplog.messages)
    assert "features of the teachers" not in found, "another process reads them"
    assert found["student"] > 0
    caplog.clear()
    aft.train(dataset, STUDENT, store, out=tmp_path / "short", profile=True, **{**SETTINGS, "steps": 10})
    assert any("no step was measured: the first 10 are left out" in message for message in caplog.messages)
