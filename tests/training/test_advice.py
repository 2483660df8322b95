"""Training says so where a task needs no student."""

import aft
from aft.training._advice import TFIDF, advice, probe_name, validation_errors
from tests.conftest import sentences

STUDENT = "aft:transformer,width=8,layers=1,heads=1,vocabulary=100"


def test_baselines_are_measured_on_validation_samples(dataset, store):
    from aft.runs import TrainConfig
    from aft.training import Problem

    problem = Problem.build(dataset, STUDENT, [store], TrainConfig())
    errors = validation_errors(dataset, problem.splits, problem.targets, (store,))
    assert set(errors) == {TFIDF, "a linear probe on letters"}
    rank = aft.rank(dataset, store)[0]
    assert rank.tfidf_error == errors[TFIDF]
    assert rank.probe_error == errors[probe_name((store,))]


def test_only_what_is_as_good_as_the_student_is_mentioned(store):
    errors = {TFIDF: 0.2, probe_name((store,)): 0.1}
    assert advice(errors, 0.05, 100, (store,)) == []
    (probe,) = advice(errors, 0.15, 100, (store,))
    assert probe.startswith("a linear probe on letters has an error of 0.1000 on the 100 validation samples, and this")
    assert len(advice(errors, 0.2, 100, (store,))) == 2


def test_training_warns_with_numbers(tmp_path, caplog):
    rows = sentences(120)
    data = aft.Dataset.from_arrays([text for _, text, _ in rows], [label for _, _, label in rows])
    aft.train(data, STUDENT, out=tmp_path / "r", method="finetune", steps=4, progress=False, batch_size=16)
    # The learning rate is left to the search.
    assert "TF-IDF with a linear model has an error of 0." in caplog.text
    assert "use it instead, or train a stronger student" in caplog.text


def test_a_comparison_has_the_baselines(dataset, store, tmp_path):
    table = aft.compare(
        dataset, STUDENT, store, methods=["kd"], seeds=1, beta=1.0, steps=4, lr=1e-5, weight_decay=0.0, processes=1,
        out=tmp_path / "c", progress=False,
    )  # fmt: skip
    names = [baseline.name for baseline in table.result.baselines]
    assert names == ["TF-IDF", "TF-IDF, distilled"]
    for baseline in table.result.baselines:
        assert baseline.low <= baseline.error <= baseline.high
        assert baseline.latency_ms > 0
        assert baseline.bytes > 1000
    assert "TF-IDF, distilled" in str(table)
    assert any(sentence.startswith("Do not train this student: TF-IDF") for sentence in table.conclusions)
    pictures = aft.Dataset.from_arrays([[float(n), n % 2, 1.0] for n in range(60)], ["a", "b"] * 30)
    other = aft.extract(pictures, aft_flatten(), name="t", out=tmp_path / "f", progress=False)
    table = aft.compare(
        pictures, aft_flatten(), other, methods=["finetune"], seeds=1, beta=1.0, steps=4, lr=1e-5, weight_decay=0.0,
        processes=1, out=tmp_path / "d", progress=False,
    )  # fmt: skip
    assert [baseline.name for baseline in table.result.baselines] == ["frozen student"]
    assert table.result.baselines[0].error == 0.0


def aft_flatten():
    from torch import nn

    return nn.Flatten()
