"""What is wrong with an installation is found, with the command that mends it."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from aft.diagnosis import Finding, _extras, _machine
from aft.diagnosis._disk import examine_disks, examine_folder
from aft.diagnosis._extras import Package, import_each, judge, read_extras
from aft.diagnosis._machine import examine_devices, examine_network, examine_versions
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture

Usage = namedtuple("Usage", "total used free")


def test_extras_are_read_from_the_metadata():
    found = read_extras([
        "numpy>=1.26", "torch>=2.6; extra == 'torch'", "adaptive-feature-transfer[torch]; extra == 'train'", "no-such-package>=1; extra == 'train'",
        "adaptive-feature-transfer[train]; extra == 'all'",
    ])  # fmt: skip
    assert set(found) == {"base", "torch", "train"}
    assert [(one.name, one.wanted) for one in found["train"]] == [("no-such-package", ">=1"), ("torch", ">=2.6")]
    assert [one.version is None for one in found["train"]] == [True, False]


@pytest.mark.parametrize(
    ("extra", "packages", "problem", "remedy"),
    [
        ("train", [Package("a", ">=1", None), Package("b", "", None)], None, "pip install --upgrade 'adaptive-feature-transfer[train]'"),
        ("train", [Package("a", ">=1", "1.2"), Package("b", "", "3")], None, None),
        ("train", [Package("a", ">=2", "1.2")], "a 1.2 is not >=2", "pip install --upgrade 'adaptive-feature-transfer[train]'"),
        ("base", [Package("a", ">=1", None), Package("b", "", "3")], "a is not installed", "pip install --upgrade 'adaptive-feature-transfer'"),
        (
            "train", [Package("a", ">=1", "1.2", "ImportError: no symbol")], "a 1.2 is installed and cannot be imported (ImportError: no symbol)",
            "pip install --force-reinstall 'a>=1'",
        ),
    ],
)  # fmt: skip
def test_extras_are_judged(extra, packages, problem, remedy):
    found = judge(extra, packages)
    assert (found.problem, found.remedy) == (problem, remedy)


def test_imports_are_tried_in_other_processes(tmp_path, monkeypatch):
    (tmp_path / "broken_one.py").write_text("raise OSError('libnothing.so: cannot open shared object file')")
    (tmp_path / "dead_one.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert import_each(["json", "broken-one", "dead-one"]) == {
        "json": None,
        "broken-one": "OSError: libnothing.so: cannot open shared object file",
        "dead-one": "it ended with status 3",
    }


def test_packages_that_do_not_fit_each_other_are_named(monkeypatch):
    monkeypatch.setattr(_extras, "_version", lambda name: "2.0" if name in ("torch", "torchvision") else None)
    monkeypatch.setattr(
        _extras,
        "import_each",
        lambda names: {
            name: "RuntimeError: operator torchvision::nms does not exist" if name == "torchvision" else None
            for name in names
        },
    )
    found = {one.name: one for one in _extras.examine_extras()}
    assert found["torchvision"].problem.startswith(
        "torchvision 2.0 does not fit torch 2.0, and packages that use it fail (RuntimeError"
    )
    assert found["torchvision"].remedy == "pip install --upgrade torch torchvision"


def test_folders_without_room_or_rights(tmp_path, monkeypatch):
    assert examine_folder("here", tmp_path / "not" / "there", "move").problem is None
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**10, 10**10 - 5000, 5000))
    assert examine_folder("here", tmp_path, "move").problem == f"5.0 kB in {str(tmp_path)!r} is little room"
    assert examine_folder("here", tmp_path, "move").remedy == "make room, or move"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert examine_folder("here", tmp_path, "move").problem == f"{str(tmp_path)!r} cannot be written to"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64_000_000, 0, 64_000_000))
    if os.path.isdir("/dev/shm"):
        assert (
            list(examine_disks())[-1].remedy
            == "use workers=0, or give the container more shared memory (docker run takes --shm-size 1g)"
        )


def test_devices_compute_and_those_that_cannot_are_named(monkeypatch):
    found = {one.name: one for one in examine_devices()}
    assert "cores" in found["processor"].value
    assert found["cpu"].problem is None
    lines = "cpu\t2 threads\t\ncuda:0\tH200\tno kernel image is available\nbuild\t13.0\t\n"
    monkeypatch.setattr(_machine.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, lines, ""))
    found = {one.name: one for one in examine_devices()}
    assert found["cuda:0"].problem == "cuda:0 cannot compute (no kernel image is available)"
    lines = "cpu\t2 threads\t\nbuild\tCPU\t\nGPU 0: H200"
    monkeypatch.setattr(_machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    found = {one.name: one for one in examine_devices()}
    assert found["cuda"].problem == "there is an accelerator, and torch (CPU build) does not see it"


def test_another_environments_command_and_the_network(tmp_path, monkeypatch):
    assert [one.name for one in examine_versions()][:2] == ["aft", "Python"]
    monkeypatch.setattr(_machine.shutil, "which", lambda _: str(tmp_path / "aft"))
    assert "is that of another environment" in list(examine_versions())[-1].problem
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert next(examine_network()).value.startswith("HF_HUB_OFFLINE is set")


def test_the_command_ends_with_a_status(aft_command, monkeypatch):  # noqa: F811
    monkeypatch.setattr("aft.diagnosis.examine", lambda: iter([Finding("disk", "here", "5 GB free")]))
    status, out, _ = aft_command("doctor")
    assert status == 0
    assert out.splitlines()[-1] == "nothing is wrong"
    broken = Finding("extras", "train", "torch 1.0", "torch 1.0 is not >=2.6", "pip install --upgrade torch")
    monkeypatch.setattr("aft.diagnosis.examine", lambda: iter([broken]))
    status, out, _ = aft_command("doctor")
    assert status == 1
    assert "1. torch 1.0 is not >=2.6.\n   pip install --upgrade torch\n" in out


def test_the_whole_examination_runs():
    done = subprocess.run(
        [sys.executable, "-m", "aft", "doctor"], capture_output=True, text=True, check=False, timeout=300
    )
    assert "versions" in done.stdout
    assert "extras" in done.stdout
    assert "Traceback" not in done.stderr
