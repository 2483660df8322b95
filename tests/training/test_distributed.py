"""Several processes of a launcher end where one process does."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

import aft
from aft.data import Dataset
from aft.extraction import extract, extract_all
from aft.runs import RunLayout
from tests.conftest import kill_with_children, sentences, wait_until
from tests.models.test_image_text import STUDENT as COLOURS_TIMES_TOKENS
from tests.models.test_image_text import TEACHERS

STUDENT = "aft:static,width=16,hidden=16,vocabulary=200,dropout=0.0"


def twisted_student():
    """A python: factory: a parameter that no loss uses, and dropout if the environment asks for it."""
    from torch import nn

    from tests.conftest import letters

    class Twisted(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.ones(3))
            self.fc = nn.Linear(26, 8)
            self.drop = nn.Dropout(float(os.environ.get("AFT_TEST_DROPOUT", "0")))

        def forward(self, input):
            if slow := os.environ.get("AFT_TEST_SLOW"):
                time.sleep(float(slow))
            return self.drop(torch.relu(self.fc(input)))

    return Twisted(), letters


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A table with a quarter of its labels missing, and features of it."""
    folder = tmp_path_factory.mktemp("task")
    with (folder / "reviews.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "sentence", "label"])
        writer.writerows([(i, text, label if n % 4 else "") for n, (i, text, label) in enumerate(sentences(120))])
    dataset = Dataset.from_table(folder / "reviews.csv", text="sentence", label="label", id="id")
    for name, views in (("letters", 1), ("views", 3)):
        extract(dataset, "python:tests.conftest:bag_of_letters", name=name, out=folder, views=views, progress=False)
    return folder


def command(task, out, *options, student=STUDENT, steps=20, store="letters"):
    return [
        sys.executable, "-m", "aft", "train", str(task / "reviews.csv"), "--text", "sentence", "--id", "id", "--label", "label",
        "--student", student, "--features", str(task / store), "--steps", str(steps), "--lr", "0.02", "--batch-size", "15",
        "--out", str(out), *options,
    ]  # fmt: skip


def start(arguments, launcher=(), **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    if launcher:
        arguments = [sys.executable, "-m", "torch.distributed.run", *launcher, "--no-python", *arguments]
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def two_processes(free_port):
    """Options of torchrun for two processes of this machine."""
    return "--nproc-per-node", "2", "--master-port", str(free_port())


def finished(*processes):
    """What was said; each must have ended well."""
    spoken = [process.communicate(timeout=300) for process in processes]
    for process, (_, err) in zip(processes, spoken, strict=True):
        assert process.returncode == 0, err[-3000:]
    return spoken


def tensors(out):
    layout = RunLayout(out)
    return {**load_file(layout.weights), **load_file(layout.objective)}


def furthest(one, two):
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)


def sorted_distances(one, two):
    """The distance of each number of one from that of two, smallest first. Numbers of size 4 are 5e-7 apart in float32."""
    return torch.cat([(one[name] - two[name]).abs().flatten() for name in one]).sort().values


BALANCED = ("--method", "aft", "--beta", "1", "--weighting", "balanced")
FIXED = ("--method", "aft+probe-kd", "--beta", "3", "--weighting", "fixed")


@pytest.mark.parametrize("options", [BALANCED, FIXED], ids=["balanced", "fixed"])
def test_two_processes_and_two_nodes_end_where_one_does(task, tmp_path, free_port, options):
    finished(start(command(task, tmp_path / "one", *options)))
    two = two_processes(free_port)
    ((said, err),) = finished(start(command(task, tmp_path / "two", *options), two))
    assert said.count("on 18 test samples") == 1, "each rank spoke"
    assert "Warning" not in err
    port = str(free_port())
    nodes = [
        start(
            command(task, tmp_path / "nodes", *options),
            ("--nnodes", "2", "--node-rank", str(node), "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", port),
        )
        for node in range(2)
    ]  # fmt: skip
    finished(*nodes)
    alone = tensors(tmp_path / "one")
    for run in ("two", "nodes"):
        others = tensors(tmp_path / run)
        assert sorted_distances(alone, others)[-2] < 2e-6
        # Adam's first step divides each gradient by its own size. One of 2e-8, left by sums of 1e-4 that cancel, is all rounding.
        assert furthest(alone, others) < 3e-5
    rows = [csv.DictReader((tmp_path / run / "metrics.csv").read_text().splitlines()) for run in ("one", "two")]
    for one, other in zip(*rows, strict=True):
        assert float(one["task_loss"]) == pytest.approx(float(other["task_loss"]), rel=1e-5)
        assert float(one["objective"]) == pytest.approx(float(other["objective"]), rel=1e-5)
    result = json.loads((tmp_path / "two" / "result.json").read_text())
    assert result["processes"] == 2


def test_two_processes_end_where_one_does_on_images_with_texts(matching, tmp_path, free_port):
    columns = ("--image", "picture", "--text", "caption", "--label", "label")
    features = [option for name in TEACHERS for option in ("--features", str(tmp_path / "features" / name))]
    dataset = Dataset.from_table(matching, image="picture", text="caption", label="label")
    extract_all(dataset, TEACHERS, out=tmp_path / "features", progress=False)

    def train(out):
        return [
            sys.executable, "-m", "aft", "train", str(matching), *columns, "--student", f"{COLOURS_TIMES_TOKENS},dropout=0.0", *features,
            "--beta", "1", "--weighting", "balanced", "--steps", "10", "--lr", "0.02", "--batch-size", "16", "--out", str(tmp_path / out),
        ]  # fmt: skip

    finished(start(train("one")))
    finished(start(train("two"), two_processes(free_port)))
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert len(one) > 8, "student and gates"
    distances = sorted_distances(one, two)
    assert distances[-len(distances) // 1000] < 2e-6, (
        "all but one number in a thousand, whose first gradients are nearly zero"
    )
    assert distances[-1] < 1e-4


def test_two_processes_show_the_views_that_one_does(task, tmp_path, free_port):
    finished(start(command(task, tmp_path / "one", *FIXED, store="views")))
    finished(start(command(task, tmp_path / "two", *FIXED, store="views"), two_processes(free_port)))
    finished(start(command(task, tmp_path / "plain", *FIXED)))
    alone = tensors(tmp_path / "one")
    assert furthest(alone, tensors(tmp_path / "two")) < 3e-6
    assert furthest(alone, tensors(tmp_path / "plain")) > 1e-3


#: The command, which also saves what each process has in the end: student, gates, norms.
OBSERVED = """
import os, torch, aft.training._fit as training
from aft.core import rank
run = training._run_trainer
def observed(trainer, module, *rest):
    run(trainer, module, *rest)
    torch.save(list(module.state_dict().values()), os.environ["AFT_TEST_KEPT"] + f"/{rank()}.pt")
training._run_trainer = observed
from aft.cli import main
main()
"""


@pytest.mark.parametrize("scope", ["global", "local"])
def test_all_processes_have_the_same_student_gates_and_norms(task, tmp_path, free_port, scope):
    arguments = command(task, tmp_path / "run", *BALANCED, "--objective-batch", scope)
    arguments[1:3] = ["-c", OBSERVED]
    launcher = two_processes(free_port)
    finished(start(arguments, launcher, AFT_TEST_KEPT=str(tmp_path)))
    first, second = (torch.load(tmp_path / f"{number}.pt", weights_only=True) for number in (0, 1))
    assert len(first) > 6
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one, two)


def test_the_local_batch_is_another_objective(task, tmp_path, free_port):
    finished(start(command(task, tmp_path / "one", *BALANCED)))
    launcher = two_processes(free_port)
    finished(start(command(task, tmp_path / "local", *BALANCED, "--objective-batch", "local"), launcher))
    assert 1e-4 < furthest(tensors(tmp_path / "one"), tensors(tmp_path / "local")) < 1


def test_the_search_is_one_search(task, tmp_path, free_port):
    launcher = two_processes(free_port)
    options = ("--method", "aft", "--weighting", "fixed")
    finished(start(command(task, tmp_path / "two", *options), launcher))
    finished(start(command(task, tmp_path / "one", *options)))
    trials = [
        [json.loads(line) for line in (tmp_path / run / "trials.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    ]
    for one, two in zip(*trials, strict=True):
        assert (one["method"], one["hparams"], one["stopped"]) == (two["method"], two["hparams"], two["stopped"])
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-3)


def test_two_processes_that_were_killed_go_on_to_the_same_weights(task, tmp_path, free_port):
    student = "python:tests.training.test_distributed:twisted_student"

    def run(out, **more):
        launcher = two_processes(free_port)
        arguments = command(task, out, *BALANCED, student=student, steps=160)
        arguments[1:3] = [
            "-c",
            "import aft.training._checkpoint as c; c.EVERY = 0; from aft.cli import main; main()",
        ]
        return start(arguments, launcher, AFT_TEST_DROPOUT="0.5", **more)

    finished(run(tmp_path / "whole"))
    killed = run(tmp_path / "killed", AFT_TEST_SLOW="0.02")
    checkpoints = tmp_path / "killed" / "checkpoints"
    wait_until(lambda: list(checkpoints.glob("step-*.ckpt")))
    kill_with_children(killed)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "result.json").exists()
    finished(run(tmp_path / "killed"))
    assert furthest(tensors(tmp_path / "whole"), tensors(tmp_path / "killed")) == 0


def test_a_loss_that_is_not_finite_stops_all_with_the_same_ids(task, tmp_path, free_port):
    launcher = two_processes(free_port)
    process = start(command(task, tmp_path / "run", "--method", "finetune", "--beta", "0", "--lr", "1e30"), launcher)
    _, err = process.communicate(timeout=300)
    said = {line for line in err.splitlines() if line.startswith("aft: a loss must be finite")}
    assert process.returncode != 0
    assert len(said) == 1
    assert "id" in said.pop()


def test_what_several_processes_cannot_do_is_explained(task, tmp_path, free_port):
    launcher = two_processes(free_port)
    process = start(command(task, tmp_path / "run", *BALANCED, "--batch-size", "1"), launcher)
    _, err = process.communicate(timeout=300)
    assert "a batch needs a sample for each process; received --batch-size 1 for 2 processes" in err


def test_a_comparison_is_started_alone(dataset, store, tmp_path, monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(aft.errors.UsageError, match="start it without a launcher"):
        aft.compare(dataset, STUDENT, [store], out=tmp_path / "c")
