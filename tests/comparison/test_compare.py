import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import aft
from aft.comparison import Cell, Choice, Job, Journal, Study
from aft.comparison._journal import _digest, key_of
from aft.comparison._predictions import decode, encode, losses
from aft.comparison._study import SEARCH_SEED, TRIALS
from aft.data import Dataset, Targets
from aft.errors import DataError, RunError, UsageError
from aft.evaluation import draw, error_of, normalised_error, paired_difference
from aft.features import Sample as StoredSample
from aft.features import StoreWriter

STUDENT = "aft:static,width=8,hidden=8,vocabulary=200"
SETTINGS = {"batch_size": 16, "steps": 20, "progress": False, "processes": 1}


def rows_of(folder):
    return [json.loads(line) for line in (folder / "trainings.jsonl").read_text().splitlines()]


def test_every_method_gets_the_same_trials_and_seeds(dataset, store, tmp_path):
    table = aft.compare(
        dataset,
        STUDENT,
        store,
        methods=["aft", "kd"],
        seeds=2,
        out=tmp_path / "c",
        batch_size=16,
        progress=False,
        processes=1,
    )
    rows = rows_of(tmp_path / "c")
    assert [row["method"] for row in table.rows] == ["finetune", "aft", "kd"]
    for row in table.rows:
        assert len(row["trials"]) == TRIALS
        assert len(row["errors"]) == 2
        assert row["mean"] == pytest.approx(np.mean(row["errors"]))
    assert {row["seed"] for row in rows if row["part"] == "trial"} == {SEARCH_SEED}
    assert {row["seed"] for row in rows if row["part"] == "final"} == {0, 1}
    plain = table.rows[0]
    for row in table.rows[1:]:
        assert (row["steps"], row["lr"], row["weight_decay"]) == (plain["steps"], plain["lr"], plain["weight_decay"])
        best = min([*row["trials"], *plain["trials"]], key=lambda trial: trial["loss"])
        assert (row["form"], row["beta"]) == (best["form"], best["beta"])
    assert "finetune" in str(table)
    # The runs are there to be used, and the page can be made of it.
    assert len(aft.load(tmp_path / "c" / "runs" / "finetune-0").predict(["a lovely film"])) == 1
    assert aft.report(tmp_path / "c").read_text().startswith("<!doctype html>")


def test_finished_trainings_are_never_repeated_and_more_can_be_added(dataset, store, tmp_path):
    first = aft.compare(dataset, STUDENT, store, methods=["aft"], seeds=1, out=tmp_path / "c", **SETTINGS)
    before = rows_of(tmp_path / "c")
    again = aft.compare(dataset, STUDENT, store, methods=["aft"], seeds=1, out=tmp_path / "c", **SETTINGS)
    assert rows_of(tmp_path / "c") == before
    assert again.rows == first.rows
    more = aft.compare(dataset, STUDENT, store, methods=["aft", "sp"], seeds=2, out=tmp_path / "c", **SETTINGS)
    after = rows_of(tmp_path / "c")
    assert after[: len(before)] == before
    assert len({row["key"] for row in after}) == len(after)
    assert more.rows[0]["errors"][0] == first.rows[0]["errors"][0]
    with pytest.raises(RunError, match="has another"):
        aft.compare(dataset, "aft:static,width=4", store, methods=["aft"], seeds=1, out=tmp_path / "c", **SETTINGS)


SCRIPT = """
import sys, aft
from aft.data import Dataset
if __name__ == "__main__":
    dataset = Dataset.from_table(sys.argv[1], text="sentence", label="label", id="id")
    aft.compare(dataset, {student!r}, sys.argv[2], methods=["aft", "sp"], seeds=2, out=sys.argv[3], batch_size=16, steps=20,
                progress=False, processes=2)
"""


def test_killed_half_way_it_goes_on_without_repeating(dataset, reviews, store, tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "c"
    script.write_text(SCRIPT.format(student=STUDENT))
    command = [sys.executable, str(script), str(reviews), str(store.path), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    journal = out / "trainings.jsonl"
    while process.poll() is None and not (journal.exists() and len(journal.read_text().splitlines()) >= 5):
        time.sleep(0.02)
    assert process.poll() is None, "the comparison ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = [line for line in journal.read_text().split("\n")[:-1] if line]
    assert not (out / "comparison.json").exists()
    subprocess.run(command, env=environment, check=True)
    after = journal.read_text().splitlines()
    assert after[: len(before)] == before
    keys = [json.loads(line)["key"] for line in after]
    assert len(set(keys)) == len(keys)
    whole = aft.compare(dataset, STUDENT, store, methods=["aft", "sp"], seeds=2, out=tmp_path / "whole", **SETTINGS)
    resumed = aft.comparison.Comparison.open(out)
    # One process or two, interrupted or not: the same numbers.
    assert [row["errors"] for row in resumed.rows] == [row["errors"] for row in whole.rows]
    assert [row["beta"] for row in resumed.rows] == [row["beta"] for row in whole.rows]


def test_test_labels_change_nothing_but_test_metrics(dataset, store, tmp_path):
    """Strength, steps, rates and weights are what they are whatever the labels of the test part say."""
    generator = np.random.default_rng(0)
    splits = ["test" if n % 3 == 0 else "train" for n in range(len(dataset))]
    labels = list(dataset.labels)
    labelled = [n for n, split in enumerate(splits) if split == "test" and labels[n] is not None]
    permuted = list(labels)
    for place, other in zip(labelled, generator.permutation(labelled).tolist(), strict=True):
        permuted[place] = labels[other]
    assert permuted != labels
    found = {}
    for name, chosen in (("true", labels), ("permuted", permuted)):
        data = Dataset.from_arrays(list(dataset.inputs), chosen, ids=dataset.ids, splits=splits)
        table = aft.compare(
            data,
            STUDENT,
            store,
            methods=["aft", "probe-kd", "b-tuning"],
            seeds=1,
            out=tmp_path / name,
            **{**SETTINGS, "steps": None},
        )
        runs = sorted((tmp_path / name / "runs").glob("*/model.safetensors"))
        found[name] = (
            [
                {key: row[key] for key in ("method", "form", "beta", "steps", "lr", "weight_decay")}
                for row in table.rows
            ],
            [
                [{key: trial[key] for key in ("form", "beta", "loss", "error")} for trial in row["trials"]]
                for row in table.rows
            ],
            [(path.parent.name, path.read_bytes()) for path in runs],
        )
    assert found["true"] == found["permuted"]


def test_noise_beside_a_real_teacher_does_not_hurt(dataset, store, tmp_path):
    """2,048 dimensions that say nothing: the probe hardly minds, and AFT's choice never does worse on validation than none."""
    noise = np.random.default_rng(0).standard_normal((len(dataset), 2048)).astype(np.float32)
    writer = StoreWriter.plan(
        tmp_path / "noise", name="noise", fingerprint={"model": "noise"}, dim=2048, dtype="float32",
        samples=[StoredSample(*pair) for pair in zip(dataset.ids, dataset.digests, strict=True)],
    )  # fmt: skip
    position = {sample_id: place for place, sample_id in enumerate(dataset.ids)}
    for shard in writer.pending():
        writer.commit(shard, noise[[position[sample.id] for sample in writer.samples(shard)]])
    useless = writer.finish()
    table = aft.compare(
        dataset, STUDENT, [store, useless], methods=["aft"], seeds=2, out=tmp_path / "c", **{**SETTINGS, "steps": 60}
    )
    plain, row = table.rows
    best = min(row["trials"] + plain["trials"], key=lambda trial: trial["loss"])
    assert best["loss"] <= min(trial["loss"] for trial in plain["trials"])
    assert row["mean"] <= plain["mean"] + 0.05
    if row["gates"] is not None:
        assert set(row["gates"]) == {"letters", "noise"}


def test_a_stale_row_is_trained_again(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "trainings.jsonl")
    job = Job.of("cell", "aft", Choice("raw", 3.0, 10, 1e-3, 0.0), 0, "trial")
    journal.add(job, "digest", {"validation": {"loss": 1.0, "error": 0.5}, "seconds": 1.0})
    assert Journal(journal.path).find(job, "digest") is not None
    assert Journal(journal.path).find(job, "other") is None
    monkeypatch.setattr("aft.comparison._journal.code_of", lambda method: "other code")
    assert Journal(journal.path).find(job, "digest") is None
    journal.add(job, "digest", {"validation": {"loss": 2.0, "error": 0.5}, "seconds": 1.0})
    assert Journal(journal.path).find(job, "digest")["validation"]["loss"] == 2.0
    assert len(journal.path.read_text().splitlines()) == 2
    assert Journal(journal.path).prune() == 1


def test_a_line_cut_off_by_a_kill_costs_that_row_alone(tmp_path):
    journal = Journal(tmp_path / "trainings.jsonl")
    jobs = [Job.of("cell", "aft", Choice("raw", 3.0, 10, 1e-3, 0.0), seed, "trial") for seed in range(3)]
    for job in jobs[:2]:
        journal.add(job, "d", {"validation": {"loss": 1.0, "error": 0.5}, "seconds": 1.0})
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-20])
    reread = Journal(journal.path)
    assert [reread.find(job, "d") is not None for job in jobs] == [True, False, False]
    reread.add(jobs[2], "d", {"validation": {"loss": 1.0, "error": 0.5}, "seconds": 1.0})
    assert [Journal(journal.path).find(job, "d") is not None for job in jobs] == [True, False, True]


def test_strength_zero_is_fine_tuning_by_any_name():
    plain = Choice("none", 0.0, 10, 1e-3, 0.0)
    jobs = {key_of(Job.of("cell", method, plain, 0, "final"), "d") for method in ("finetune", "aft", "kd")}
    assert len(jobs) == 1


def test_the_code_hash_is_of_code_alone(tmp_path):
    one, two, three = (tmp_path / f"{name}.py" for name in "abc")
    one.write_text('"""Words."""\n\n\ndef f(x):\n    """More."""\n    return x + 1  # why\n')
    two.write_text('"""Others."""\ndef f(x):\n    """Else."""\n    return (x\n            + 1)\n')
    three.write_text('"""Words."""\ndef f(x):\n    """More."""\n    return x + 2\n')
    assert _digest(one) == _digest(two) != _digest(three)


@pytest.mark.parametrize(
    ("targets", "logits", "labels", "expected"),
    [
        (Targets("classification", ("a", "b")), [[1.0, 0.0], [0.0, 1.0]], [0, 0], [0.0, 1.0]),
        (Targets("multilabel", ("a", "b")), [[1.0, -1.0], [1.0, 1.0]], [[1, 0], [0, 1]], [0.0, 0.5]),
        (Targets("regression", (), mean=3.0, scale=2.0), [[1.0], [0.0]], [0.5, 0.0], [1.0, 0.0]),
    ],
)
def test_answers_are_kept_whole(targets, logits, labels, expected):
    packed = json.loads(json.dumps(encode(targets, np.array(logits, dtype=np.float32))))
    assert losses(targets, decode(packed), np.array(labels)).tolist() == pytest.approx(expected)


def test_normalised_error_is_the_ratio_of_mean_errors():
    generator = np.random.default_rng(0)
    plain = (generator.random((5, 400)) < 0.3).astype(float)
    better = plain * (generator.random((5, 400)) < 0.7)
    found = normalised_error([(better, plain, False)])
    assert found.mean == pytest.approx(better.mean() / plain.mean())
    assert found.low < found.mean < found.high < 1
    twice = normalised_error([(better, plain, False), (plain, plain, False)])
    assert twice.mean == pytest.approx((found.mean + 1) / 2)
    assert twice.high - twice.low == pytest.approx((found.high - found.low) / 2, rel=0.1)


def test_root_mean_squares_are_compared_as_such():
    generator = np.random.default_rng(7)
    one, two = generator.random((3, 300)), generator.random((3, 300)) * 4
    assert error_of(one, root=True) == pytest.approx(np.sqrt(one.mean(axis=1)).mean())
    found = paired_difference(one, two, root=True)
    assert found.mean == pytest.approx(error_of(one, root=True) - error_of(two, root=True))
    assert found.low < found.mean < found.high
    # The slow way, a draw at a time.
    drawn = draw(np.stack([one, two]), root=True, rounds=300)
    slow = []
    for _ in range(300):
        seeds, samples = generator.integers(0, 3, 3), generator.integers(0, 300, 300)
        slow.append(np.sqrt(one[seeds][:, samples].mean(axis=1)).mean())
    assert drawn[0].mean() == pytest.approx(np.mean(slow), abs=0.01)
    assert drawn[0].std() == pytest.approx(np.std(slow), rel=0.25)


def test_bad_settings_are_said(dataset, store, tmp_path):
    with pytest.raises(UsageError, match="did you mean 'aft'"):
        aft.compare(dataset, STUDENT, store, methods=["atf"], out=tmp_path / "c")
    with pytest.raises(UsageError, match="at least one seed"):
        aft.compare(dataset, STUDENT, store, seeds=0, out=tmp_path / "c")
    with pytest.raises(UsageError, match="sets seed itself"):
        aft.compare(dataset, STUDENT, store, out=tmp_path / "c", seed=3)
    with pytest.raises(DataError, match="labelled test samples"):
        aft.compare(dataset, STUDENT, store, out=tmp_path / "c", test_fraction=0.0, progress=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunError, match="empty folder"):
        aft.compare(dataset, STUDENT, store, out=tmp_path / "other", progress=False)
    with pytest.raises(RunError, match="run aft compare"):
        aft.comparison.Comparison.open(tmp_path / "nothing")


def test_a_study_asks_for_no_more_than_it_may(dataset, store):
    """The plan by itself, answered with made-up losses."""
    study = Study(Cell("c", dataset, STUDENT, (str(Path(store.path)),)), ("aft", "kd"), 2, 100, 1e-3, 0.01)
    plan, asked, rows = study.plan(), [], None
    while True:
        try:
            jobs = next(plan) if rows is None else plan.send(rows)
        except StopIteration:
            break
        asked += jobs
        rows = [
            {
                "key": str(job),
                "choice": job.choice.__dict__,
                "validation": {"loss": 1.0 - 0.01 * job.choice.beta},
                "seconds": 1.0,
            }
            for job in jobs
        ]
    assert len(asked) == study.size() == 3 * (TRIALS + 2)
    assert study.choices["aft"].beta == 100.0
    assert max(job.choice.steps for job in asked) == 100
