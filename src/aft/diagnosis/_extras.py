"""Which extras are installed, in versions that are new enough, and whether their packages can be imported."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aft.diagnosis._finding import Finding

DISTRIBUTION = "adaptive-feature-transfer"
#: Names to import, where they are not those of the distributions.
_MODULES = {
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "python-multipart": "python_multipart",
    "huggingface-hub": "huggingface_hub",
}
#: Packages that nothing here requires, and that break others when they do not fit them.
_BESIDE = {"torchvision": "torch", "torchaudio": "torch"}
#: The longest import that is waited for, in seconds.
PATIENCE = 120


@dataclass(frozen=True)
class Package:
    """A package that an extra needs.

    Attributes:
        name: Name of the distribution.
        wanted: The versions that it needs.
        version: The installed version; None if it is not installed.
        failure: Why it cannot be imported; None if it can, or is not installed.
    """

    name: str
    wanted: str
    version: str | None
    failure: str | None = None

    @property
    def is_old(self) -> bool:
        """Whether it is installed in a version that is not wanted."""
        return self.version is not None and not Requirement(f"{self.name}{self.wanted}").specifier.contains(
            self.version, prereleases=True
        )


def examine_extras() -> Iterator[Finding]:
    """Look at each extra. One that is not installed at all is no problem."""
    extras = read_extras(metadata.requires(DISTRIBUTION) or [])
    packages = {package.name: package for wanted in extras.values() for package in wanted}
    imported = import_each([name for name, package in packages.items() if package.version is not None])
    for extra, wanted in extras.items():
        yield judge(extra, [replace(package, failure=imported.get(package.name)) for package in wanted])
    beside = [name for name, needed in _BESIDE.items() if _version(name) and _version(needed)]
    for name, failure in import_each(beside).items():
        if failure is not None:
            yield Finding(
                "extras", name, f"{_version(name)} cannot be imported",
                f"{name} {_version(name)} does not fit {_BESIDE[name]} {_version(_BESIDE[name])}, and packages that use it fail ({failure})",
                f"pip install --upgrade {_BESIDE[name]} {name}",
            )  # fmt: skip


def read_extras(requirements: Sequence[str]) -> dict[str, list[Package]]:
    """The packages that each extra needs, those of the base under the name ``base``.

    Args:
        requirements: As in the metadata of a distribution, such as ``"torch>=2.6; extra == 'torch'"``.
    """
    own: dict[str, list[Requirement]] = {"base": []}
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is None:
            own["base"].append(requirement)
            continue
        extra = str(requirement.marker).rpartition('extra == "')[2].partition('"')[0]
        if extra and requirement.marker.evaluate({"extra": extra}):
            own.setdefault(extra, []).append(requirement)
    found = {}
    for extra, wanted in own.items():
        # An extra may consist of others.
        plain = [one for one in wanted if canonicalize_name(one.name) != DISTRIBUTION]
        others = [name for one in wanted if canonicalize_name(one.name) == DISTRIBUTION for name in sorted(one.extras)]
        plain += [one for name in others for one in own.get(name, []) if canonicalize_name(one.name) != DISTRIBUTION]
        if extra != "all":
            found[extra] = [
                Package(canonicalize_name(one.name), str(one.specifier), _version(one.name)) for one in plain
            ]
    return found


def judge(extra: str, packages: Sequence[Package]) -> Finding:
    """Say whether an extra can be used."""
    command = f"pip install --upgrade '{DISTRIBUTION}{'' if extra == 'base' else f'[{extra}]'}'"
    missing = [package.name for package in packages if package.version is None]
    old = [package for package in packages if package.is_old]
    broken = [package for package in packages if package.failure is not None]
    if len(missing) == len(packages):
        return Finding("extras", extra, "not installed", None, command)
    shown = ", ".join(f"{package.name} {package.version}" for package in packages if package.version is not None)
    if broken:
        first = broken[0]
        return Finding(
            "extras", extra, shown, f"{first.name} {first.version} is installed and cannot be imported ({first.failure})",
            f"pip install --force-reinstall '{first.name}{first.wanted}'",
        )  # fmt: skip
    if old:
        first = old[0]
        return Finding("extras", extra, shown, f"{first.name} {first.version} is not {first.wanted}", command)
    # What another extra has brought does not make this one half installed.
    if missing and extra != "base" and len(missing) < len(packages):
        return Finding("extras", extra, f"lacks {', '.join(missing)}", None, command)
    if missing:
        return Finding("extras", extra, shown, f"{', '.join(missing)} is not installed", command)
    return Finding("extras", extra, shown)


def import_each(names: Sequence[str]) -> Mapping[str, str | None]:
    """Import packages, each in a process of its own, since one that crashes takes its process along.

    Returns:
        By name why the import failed; None where it did not.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(names, pool.map(_import, names), strict=True))


def _import(name: str) -> str | None:
    module = _MODULES.get(name, name.replace("-", "_"))
    command = [sys.executable, "-W", "ignore", "-c", f"import {module}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"it takes longer than {PATIENCE} seconds"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else f"it ended with status {done.returncode}")[:160]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
