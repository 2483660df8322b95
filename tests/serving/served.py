"""A small exported model, and a server of it in a process of its own."""

import contextlib
import subprocess

import httpx

import aft
from aft.data import Dataset
from tests.conftest import sentences, wait_until


def export_small(directory):
    """Train and export a small model of texts."""
    rows = sentences(60)
    dataset = Dataset.from_arrays([text for _, text, _ in rows], [label for *_, label in rows])
    run = aft.train(
        dataset, "aft:ngrams", [], method="finetune", steps=5, lr=1e-3, out=directory / "run", progress=False
    )
    aft.export(run.path, directory / "exported", data=dataset)
    return directory / "exported"


def answers(process, url):
    """Whether a server that still runs answers."""
    assert process.poll() is None
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def serving(command, port):
    """Start a server, and wait until it answers."""
    process = subprocess.Popen([*map(str, command), "--port", str(port)], stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(process, url))
        yield process, url
    finally:
        process.kill()
        process.communicate()
