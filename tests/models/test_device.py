"""The device that models run on, and precisions that a processor has no arithmetic for."""

import pytest
import torch

import aft
from aft.data import Dataset
from aft.models import _device, slow_precision

TEACHER = "python:tests.conftest:bag_of_letters"


@pytest.fixture
def durations(monkeypatch):
    """Durations of a product of matrices: this processor has no bf16."""
    durations = {torch.float32: 1.0, torch.bfloat16: 8.2, torch.float16: 1.9}
    monkeypatch.setattr(_device, "_seconds", durations.__getitem__)


def test_a_precision_without_arithmetic_is_told(durations):
    cpu = torch.device("cpu")
    assert slow_precision(cpu, "fp32") is None
    assert slow_precision(cpu, "fp16") is None
    assert slow_precision(torch.device("meta"), "bf16") is None
    assert slow_precision(cpu, "bf16") == (
        "this processor has no arithmetic for precision='bf16': a product of matrices takes 8 times as long as in fp32; use "
        "precision='fp32'"
    )


def test_extraction_training_and_loading_tell_it(durations, tmp_path, caplog):
    dataset = Dataset.from_arrays([f"text {n}" for n in range(40)], ["ab"[n % 2] for n in range(40)])
    own = {"device": "cpu", "precision": "bf16"}

    def told():
        count = caplog.text.count("no arithmetic for precision='bf16'")
        caplog.clear()
        return count

    aft.extract(dataset, TEACHER, name="letters", out=tmp_path, progress=False, **own)
    assert told() == 1
    aft.extract(dataset, TEACHER, name="letters", out=tmp_path, progress=False, **own)
    assert told() == 0  # nothing is left to compute
    run = aft.train(
        dataset, "aft:ngrams", method="finetune", steps=2, out=tmp_path / "run", progress=False, lr=1e-3, **own
    )
    assert told() == 1
    aft.load(run, **own)
    assert told() == 1


def test_durations_are_measured():
    assert 0 < _device._seconds(torch.float32) < 10
