"""the Hugging Face Hub, and machines that cannot reach it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aft.errors import MissingExtraError, RunError

#: Environment variables of proxies: with one, a name need not resolve here.
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@contextmanager
def hub_access(name: str) -> Iterator[None]:
    """A block that may download something. Where the hub's address does not resolve, its cache is used at once.

    The hub's client would try six times for each file, which takes half a minute, before it looks at the cache.

    Args:
        name: Name of the model or dataset, or its folder, which needs no hub.
    """
    try:
        from huggingface_hub import constants
    except ImportError:
        yield
        return
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not (Path(name).exists() or _is_reachable(constants.ENDPOINT))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def hub_is_reachable() -> bool:
    """Whether the hub's address is known here, or a proxy's business."""
    return _is_reachable(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")


def _is_reachable(endpoint: str) -> bool:
    if any(os.environ.get(name) or os.environ.get(name.lower()) for name in PROXIES):
        return True
    try:
        socket.getaddrinfo(urlsplit(endpoint).hostname, None)
    except OSError:
        return False
    return True


def downloaded(place: str | Path) -> Path:
    """A folder on this machine: the place itself, or a copy of a repository of the hub.

    Args:
        place: A folder; or ``hf:OWNER/NAME``, optionally followed by ``@`` and a revision.

    Returns:
        The folder, which need not exist, or the hub's cached copy.

    Raises:
        MissingExtraError: A repository, and huggingface-hub is not installed.
        RunError: The repository cannot be downloaded.
    """
    name = str(place)
    if not name.startswith("hf:"):
        return Path(place)
    repo, _, revision = name.removeprefix("hf:").partition("@")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError(
            "huggingface-hub downloads models, which is not installed; run pip install 'adaptive-feature-transfer[hub]'"
        ) from error
    try:
        with hub_access(repo):
            return Path(snapshot_download(repo, revision=revision or None))
    except Exception as error:  # the hub's client raises errors of many kinds
        raise RunError(
            f"hf: needs the name of a repository that can be read; {repo!r} could not be downloaded ({first_sentence(error)}); check the "
            "name, the network and the token (hf auth login)"
        ) from error


def first_sentence(error: Exception) -> str:
    """What a client of the hub says first; the rest is advice on its own settings."""
    return " ".join(str(error).split()).partition(". ")[0][:160]
