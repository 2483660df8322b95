"""Small fakes: a task of texts, a task of pictures, a teacher."""

import contextlib
import csv
import logging
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

from aft.data import Dataset
from aft.extraction import extract

#: Files whose tests take minutes each. They run first: two processes share the files, and the last one to begin should be short.
LONG = (
    "test_tutorials.py",
    "test_notebooks.py",
    "test_other_trainers.py",
    "test_distribution.py",
    "test_shell_pages.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


# An example takes longer where other programs run; that is no mistake.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


GOOD = ["lovely", "bright", "warm", "clever", "moving", "funny"]
BAD = ["dull", "cold", "stupid", "tired", "flat", "ugly"]


def sentences(count, seed=0):
    """Sentences whose polarity is that of most of their words."""
    generator = np.random.default_rng(seed)
    rows = []
    for n in range(count):
        positive = bool(generator.integers(2))
        words = list(generator.choice(GOOD if positive else BAD, 3)) + list(
            generator.choice(BAD if positive else GOOD, 1)
        )
        generator.shuffle(words)
        rows.append((f"id{n}", f"a {' '.join(words)} film number {n}", "pos" if positive else "neg"))
    return rows


class Bag(nn.Module):
    """A teacher that counts letters: features (B, 26)."""

    def forward(self, input):
        return input


def letters(text):
    counts = torch.zeros(26)
    for letter in text.lower():
        if "a" <= letter <= "z":
            counts[ord(letter) - 97] += 1
    return counts


def bag_of_letters():
    """A python: factory."""
    return Bag(), letters


def half_of_the_letters():
    """A python: factory of a teacher that knows less: features (B, 13)."""
    return Bag(), lambda text: letters(text)[:13]


def wait_until(holds, seconds=120):
    """Wait until a condition holds; fail if it does not by then, on however slow a machine."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"still waiting after {seconds} s"
        time.sleep(0.01)


def kill_with_children(process):
    """SIGKILL to a process and all that it has started: torchrun gives each rank a session of its own."""
    doomed = [process.pid]
    for parent in doomed:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            doomed += [int(child) for child in task.read_text().split()]
    for victim in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def reviews(tmp_path):
    """A CSV of 120 sentences, every fourth without its label."""
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "sentence", "label"])
        for n, (sample_id, text, label) in enumerate(sentences(120)):
            writer.writerow([sample_id, text, label if n % 4 else ""])
    return path


@pytest.fixture
def dataset(reviews):
    return Dataset.from_table(reviews, text="sentence", label="label", id="id")


@pytest.fixture
def store(dataset, tmp_path):
    return extract(
        dataset, "python:tests.conftest:bag_of_letters", name="letters", out=tmp_path / "features", progress=False
    )


@pytest.fixture
def pictures(tmp_path):
    """A folder of 40 small pictures: red ones and blue ones."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for name, channel in (("red", 0), ("blue", 2)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for n in range(20):
            pixels = generator.integers(0, 90, (12, 10, 3)).astype(np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{n:02}.png")
    return tmp_path / "pictures"


def write_matching(folder):
    """Write a table of 160 rows over 40 pictures: does the caption name the picture's colour?"""
    from PIL import Image

    generator = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    with (folder / "matching.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "caption", "label"])
        for n in range(40):
            channel = n % 2
            pixels = generator.integers(0, 60, (8, 8, 3)).astype(np.uint8)
            pixels[..., channel] += 180
            Image.fromarray(pixels).save(folder / "pictures" / f"{n}.png")
            for row in range(4):
                named = row % 2
                label = "match" if named == channel else "other"
                writer.writerow([f"pictures/{n}.png", f"{('ruby', 'moss')[named]} number {n} of {row}", label])
    return folder / "matching.csv"


@pytest.fixture
def matching(tmp_path):
    """A table of images and texts; see `write_matching`."""
    return write_matching(tmp_path)


@pytest.fixture(scope="session")
def object_storage():
    """The address of a local S3 server."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_storage, tmp_path, monkeypatch):
    """A new bucket; this process has credentials and an empty cache."""
    import boto3
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": object_storage, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "AFT_CACHE": str(tmp_path / "cache"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    name = f"bucket-{abs(hash(str(tmp_path))):x}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    fsspec.filesystem("s3").invalidate_cache()
    return Bucket(client, name, tmp_path)


class Bucket:
    """The content of a bucket."""

    def __init__(self, client, name, folder=None):
        self.client, self.name, self._folder = client, name, folder
        self.url = f"s3://{name}/features"

    def machine(self, name):
        """The cache of a machine."""
        return self._folder / f"cache{name}"

    def files(self, store="t"):
        listed = self.client.list_objects_v2(Bucket=self.name, Prefix=f"features/{store}/").get("Contents", [])
        return {entry["Key"].rpartition("/")[2]: self.read(entry["Key"]) for entry in listed}

    def read(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def write(self, name, content, store="t"):
        self.client.put_object(Bucket=self.name, Key=f"features/{store}/{name}", Body=content)

    def delete(self, name, store="t"):
        self.client.delete_object(Bucket=self.name, Key=f"features/{store}/{name}")


@pytest.fixture
def free_port():
    """Finds a port that nobody listens on."""

    def find():
        with socket.socket() as socket_:
            socket_.bind(("127.0.0.1", 0))
            return socket_.getsockname()[1]

    return find
