"""The default method is the one that the claims' validation data supports."""

import json
from inspect import signature
from pathlib import Path

from typer.main import get_command

from aft.cli import app
from aft.comparison import compare
from aft.objectives import DEFAULT_METHOD, METHODS
from aft.runs import TrainConfig

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "default_method.json"


def test_no_method_is_better_than_the_default_on_validation_data_by_more_than_noise():
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    assert found["complete"]
    behind = found["behind_best"][DEFAULT_METHOD]
    assert behind["mean"] <= 2 * behind["standard_error"]
    assert found["default"] == DEFAULT_METHOD
    assert TrainConfig().method == DEFAULT_METHOD


def test_a_comparison_has_every_method_and_the_default_unless_asked_otherwise():
    everything = {*METHODS, DEFAULT_METHOD}
    assert set(signature(compare).parameters["methods"].default) == everything
    (option,) = [p for p in get_command(app).commands["compare"].params if p.name == "methods"]
    assert set(option.default.split(",")) == everything
