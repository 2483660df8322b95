"""Versions, devices and the network."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from aft.core import __version__, cores, format_size, hub_is_reachable
from aft.diagnosis._finding import Finding

#: Prints a line for each device: its name, and what went wrong when it computed something.
_DEVICES = """
import torch
names = ["cpu"] + [f"cuda:{n}" for n in range(torch.cuda.device_count())] + (["mps"] if torch.backends.mps.is_available() else [])
for name in names:
    about, wrong = "", ""
    try:
        about = torch.cuda.get_device_name(name) if "cuda" in name else f"{torch.get_num_threads()} threads"
        assert (torch.ones(64, 64, device=name) @ torch.ones(64, 64, device=name)).sum().item() == 64.0**3
    except Exception as error:
        wrong = " ".join(str(error).split())[:120] or type(error).__name__
    print(name, about, wrong, sep="\\t")
print("build", torch.version.cuda or torch.version.hip or "CPU", "", sep="\\t")
"""


def examine_versions() -> Iterator[Finding]:
    """Look at aft itself and Python."""
    yield Finding("versions", "aft", f"{__version__} in {Path(__file__).parents[1]}")
    yield Finding("versions", "Python", f"{platform.python_version()} in {sys.prefix}, {platform.platform()}")
    found = shutil.which("aft")
    own = Path(sys.executable).parent / "aft"
    if found and own.exists() and Path(found).resolve() != own.resolve():
        yield Finding(
            "versions", "command", found, f"the command aft is that of another environment, {found!r}", f"run {own}, or activate {sys.prefix}"
        )  # fmt: skip


def examine_devices() -> Iterator[Finding]:
    """Look at processors and memory, and compute something on each device."""
    yield Finding("devices", "processor", f"{cores()} cores, {_memory()}")
    if find_spec("torch") is None:
        return
    done = subprocess.run([sys.executable, "-c", _DEVICES], capture_output=True, text=True, check=False)  # noqa: S603
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 2]
    build = next((about for name, about, _ in lines if name == "build"), "")
    for name, about, wrong in lines:
        if name != "build":
            problem = f"{name} cannot compute ({wrong})" if wrong else None
            yield Finding("devices", name, about, problem, "use device='cpu', or update the driver" if wrong else None)
    if (
        shutil.which("nvidia-smi")
        and lines
        and not any(name.startswith("cuda") for name, *_ in lines)
        and _has_nvidia()
    ):
        yield Finding(
            "devices", "cuda", "not found", f"there is an accelerator, and torch ({build} build) does not see it",
            "install a build of torch for its driver: https://pytorch.org/get-started/locally",
        )  # fmt: skip


def examine_network() -> Iterator[Finding]:
    """Look whether models and datasets can be downloaded."""
    reachable = hub_is_reachable()
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", ""):
        value = "HF_HUB_OFFLINE is set: only what is in its cache is used"
    else:
        value = "reachable" if reachable else "not reachable: models and datasets are those in its cache, or in folders"
    yield Finding("network", "Hugging Face", value)


def _memory() -> str:
    try:
        return f"{format_size(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))} of memory"
    except (ValueError, OSError, AttributeError):  # other systems have other names
        return "memory unknown"


def _has_nvidia() -> bool:
    """Whether the driver lists an accelerator."""
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)  # noqa: S607
    return done.returncode == 0 and "GPU" in done.stdout
