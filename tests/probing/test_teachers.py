"""The linear probe and LogME on feature stores."""

import numpy as np
import pytest

from aft.data import Targets
from aft.features import Sample, StoreWriter
from aft.probing import logme, probe_error
from tests.objectives import references


def test_probe_and_logme_prefer_the_informative_teacher(tmp_path):
    generator = np.random.default_rng(0)
    truth = np.arange(120) % 3
    ids = [f"id{i}" for i in range(120)]
    stores = {}
    for name, signal in (("good", 3.0), ("bad", 0.0)):
        values = generator.standard_normal((120, 8)).astype(np.float32)
        values[:, :3] += signal * np.eye(3)[truth]
        samples = [Sample(i, "") for i in ids]
        writer = StoreWriter.plan(tmp_path / name, name=name, fingerprint={}, dim=8, samples=samples, shard_rows=64)
        for shard in writer.pending():
            writer.commit(shard, values[shard * 64 : (shard + 1) * 64])
        stores[name] = writer.finish()
    # The last class does not occur among the training samples.
    targets = Targets("classification", ("a", "b", "c", "d"))
    train, test = (ids[:90], truth[:90]), (ids[90:], truth[90:])
    errors = {name: probe_error([store], targets, train, test).error for name, store in stores.items()}
    scores = {name: logme([store], targets, train) for name, store in stores.items()}
    assert errors["good"] < errors["bad"] - 0.2
    assert scores["good"] > scores["bad"] + 0.1
    values = stores["good"].take(stores["good"].rows(ids[:90])).astype(np.float64)
    expected = [references.logme(values, (truth[:90] == c).astype(float))[0] for c in range(3)]
    assert scores["good"] == pytest.approx(np.mean(expected))
