"""A machine that refuses: read-only places, full disks, missing devices. One sentence, and exit status 2."""

import os
import signal
import stat
import subprocess
import sys
import time
from functools import partial

import pytest

from tests.cli.test_cli import STUDENT, aft_command  # noqa: F401 - the fixture

COLUMNS = ["--text", "sentence", "--label", "label", "--id", "id"]

#: Runs a command with files that cannot grow beyond a limit, as on a full disk, and a checkpoint after every step.
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import aft.training._checkpoint as checkpoint
checkpoint.EVERY = 0
import aft.training
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv[:2] = ["aft"]
from aft.cli import main
main()
"""


def train(reviews, out, *more):
    return ["train", str(reviews), *COLUMNS, "--student", STUDENT, "--method", "finetune", "--beta", "0", "--steps", "5", "--out", str(out), *more]  # fmt: skip


@pytest.mark.parametrize("limit", [100, 2_000, 20_000])
def test_a_disk_that_is_full_is_one_sentence(reviews, tmp_path, limit):
    command = [sys.executable, "-c", LIMITED, str(limit), *train(reviews, tmp_path / "run")]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("aft: ") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "result.json").exists()
    assert not list((tmp_path / "run").rglob(".writing-*"))


@pytest.mark.parametrize("command", ["train", "compare", "predict"])
def test_an_impossible_output_path_is_one_sentence(aft_command, reviews, store, tmp_path, command):  # noqa: F811
    (tmp_path / "file").write_text("a file, not a directory")
    assert aft_command(*train(reviews, tmp_path / "run"))[0] == 0
    out = str(tmp_path / "file" / "x")
    arguments = {
        "train": train(reviews, out),
        "compare": ["compare", reviews, *COLUMNS, "--student", STUDENT, "--features", store.path, "--out", out],
        "predict": ["predict", tmp_path / "run", reviews, "--out", out + ".csv"],
    }[command]
    status, _, err = aft_command(*arguments)
    assert (status, err.count("aft: ")) == (2, 1)
    assert "Traceback" not in err
    assert (tmp_path / "file").read_text() == "a file, not a directory"


def test_a_device_that_is_not_there_is_named(aft_command, reviews, tmp_path):  # noqa: F811
    status, _, err = aft_command(*train(reviews, tmp_path / "run", "--device", "xpu:7"))
    assert (status, "received 'xpu:7'" in err) == (2, True)


def test_files_of_a_run_are_readable_as_the_umask_says(aft_command, reviews, store, tmp_path):  # noqa: F811
    old = os.umask(0o022)
    try:
        command = train(reviews, tmp_path / "run", "--features", str(store.path))
        command[command.index("finetune")], command[command.index("0")] = "aft", "1"
        assert aft_command(*command)[0] == 0
    finally:
        os.umask(old)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}


def test_a_comparison_is_not_taken_for_a_run(aft_command, tmp_path):  # noqa: F811
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "trainings.jsonl").write_text("")
    status, _, err = aft_command("inspect", tmp_path)
    assert (status, "is a comparison; show it with aft report" in err) == (2, True)


def test_an_output_that_is_a_file_says_so(aft_command, reviews, tmp_path):  # noqa: F811
    (tmp_path / "keep.csv").write_text("precious")
    status, _, err = aft_command(*train(reviews, tmp_path / "keep.csv"))
    assert (status, "keep.csv' is a file; choose another --out" in err) == (2, True)
    assert (tmp_path / "keep.csv").read_text() == "precious"


def test_ctrl_c_ends_with_one_line_that_says_how_to_continue(reviews, tmp_path):
    command = [
        sys.executable, "-m", "aft", "train", reviews, "--text", "sentence", "--label", "label", "--student", STUDENT,
        "--method", "finetune", "--beta", "0", "--steps", "1000000", "--out", tmp_path / "run",
    ]  # fmt: skip
    heed = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a job in the background ignores Ctrl-C, and so do its children
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        for line in process.stderr:
            if line.startswith("plan"):
                break
        time.sleep(2)  # the training has begun
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert rest == ["aft: interrupted; finished work is kept: run the same command again to resume"]
