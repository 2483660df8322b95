import json
import os

import pytest

from aft.core import (
    TEMPORARY,
    atomic_path,
    file_sha256,
    remove_temporary_files,
    write_atomic,
    write_json,
    write_text,
)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_size_and_digest_describe_the_written_file(tmp_path):
    path = tmp_path / "data.bin"
    size, digest = write_atomic(path, [b"one", memoryview(b"two"), b""])
    assert path.read_bytes() == b"onetwo"
    assert (size, digest) == (6, file_sha256(path))
    assert names(tmp_path) == ["data.bin"]


def test_interrupted_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"old")

    def interrupted():
        yield b"half of the new content"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, interrupted())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["data.bin"]


def test_rejected_content_does_not_replace_the_target(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"old")
    received = []

    def reject(size, digest):
        received.append((size, digest))
        raise ValueError("wrong digest")

    with pytest.raises(ValueError, match="wrong digest"):
        write_atomic(path, [b"new!"], check=reject)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["data.bin"]
    assert write_atomic(path, [b"new!"], check=lambda *_: None) == received[0]
    assert path.read_bytes() == b"new!"


def test_full_disk_leaves_neither_target_nor_temporary_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "new.txt", "text")
    assert names(tmp_path) == []


def test_atomic_path_replaces_the_target_only_if_the_block_succeeds(tmp_path):
    path = tmp_path / "model.bin"
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert names(tmp_path) == []
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"whole")
        assert names(tmp_path) == [temporary.name]
    assert path.read_bytes() == b"whole"
    assert names(tmp_path) == ["model.bin"]


def test_text_and_json_are_utf8(tmp_path):
    write_text(tmp_path / "text.txt", "ünï\n")
    assert (tmp_path / "text.txt").read_bytes() == "ünï\n".encode()
    write_json(tmp_path / "value.json", {"name": "ünï", "values": [1, None]})
    text = (tmp_path / "value.json").read_text(encoding="utf-8")
    assert "ünï" in text
    assert text.endswith("}\n")
    assert json.loads(text) == {"name": "ünï", "values": [1, None]}


def test_lone_surrogates_survive(tmp_path):
    write_json(tmp_path / "value.json", {"path": "\udcff"})
    raw = (tmp_path / "value.json").read_bytes()
    assert json.loads(raw.decode("utf-8", "surrogatepass")) == {"path": "\udcff"}


def test_only_temporary_files_are_removed(tmp_path):
    (tmp_path / f"{TEMPORARY}1-ab-data.bin").write_bytes(b"half")
    (tmp_path / "data.bin").write_bytes(b"whole")
    remove_temporary_files(tmp_path)
    assert names(tmp_path) == ["data.bin"]
