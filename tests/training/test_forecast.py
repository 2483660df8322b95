"""What a dry run says."""

from dataclasses import replace

from aft.catalogue import measured_students
from aft.data import Dataset
from aft.runs import TrainConfig
from aft.training import data_facts, forecast

CONFIG = TrainConfig(device="cpu", steps=100)


def test_the_test_split_is_taken_from_labelled_samples():
    dataset = Dataset.from_arrays([f"text {n}" for n in range(100)], ["a", "b"] * 20 + [None] * 60)
    facts = data_facts("table.csv", dataset, CONFIG)
    assert (facts.training, facts.test) == (92, 8)


def test_known_students_are_forecast_from_their_measured_speed(monkeypatch):
    """A table's size says nothing of its speed: an input reads a few of its rows."""
    measured = [replace(one, batch_ms=0.057) for one in measured_students()]
    monkeypatch.setattr("aft.training._forecast.measured_students", lambda: measured)
    facts = data_facts("table.csv", Dataset.from_arrays([f"text {n}" for n in range(2000)], ["a", "b"] * 1000), CONFIG)
    alone = forecast(facts, "aft:ngrams", {}, CONFIG)
    assert alone[-1].endswith("from the student's measured speed")
    # Six trials and a final training of 100 steps of 128 inputs, at 0.057 ms forward and 5 ms beside it.
    assert alone[-2].endswith("of about 100 steps, about 19 s")
    for variant in ("aft:ngrams,width=64", "aft:cnn,init=hf:a/model", "aft:ngrams+aft:cnn,init=hf:a/model"):
        assert forecast(facts, variant, {}, CONFIG)[-1] == alone[-1]
    assert forecast(facts, "aft:transformer,width=32", {}, CONFIG)[-1].endswith("a timed matrix product")


def test_teachers_have_the_names_of_their_stores_and_a_given_beta_is_not_searched():
    facts = data_facts("table.csv", Dataset.from_arrays([f"text {n}" for n in range(200)], ["a", "b"] * 100), CONFIG)
    given = TrainConfig(device="cpu", steps=100, beta=1.0)
    lines = forecast(facts, "aft:ngrams", {"large": "hf:a/very/long/path"}, given)
    assert any(line.endswith("teachers' features: large (32, d)") for line in lines), lines
    assert "about 0 trials" not in lines[-2]
    assert "1 final training of about 100 steps" in lines[-2]
    assert "about 6 trials" in forecast(facts, "aft:ngrams", {"large": "hf:a/very/long/path"}, CONFIG)[-2]
