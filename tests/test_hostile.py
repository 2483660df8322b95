"""Hostile input, from a table to a report: no code of a loaded file runs, and what cannot be used is one sentence."""

import csv
import hashlib
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import zlib
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

import aft
from aft.data import Dataset
from aft.errors import AftError
from aft.extraction import extract
from aft.features import FeatureStore
from tests.conftest import sentences

STUDENT = "aft:static,width=8,hidden=8,vocabulary=100"
FAST = {"steps": 5, "batch_size": 16, "progress": False, "beta": 0, "method": "finetune"}


class Evil:
    """Writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def trap(tmp_path):
    """A folder that must not come into being."""
    path = tmp_path / "code-has-run"
    yield path
    assert not path.exists(), "code of a loaded file ran"


def test_pickled_features_do_not_run(tmp_path, trap):
    (tmp_path / "ids.txt").write_text("a\n")
    np.save(tmp_path / "x.npy", np.array([Evil(trap)], dtype=object), allow_pickle=True)
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Evil(trap)))
    torch.save({"features": Evil(trap)}, tmp_path / "z.pt")
    np.savez(tmp_path / "w.npz", np.array([Evil(trap)], dtype=object), allow_pickle=True)
    (tmp_path / "w.npz").rename(tmp_path / "w.npy")
    for name in ("x.npy", "y.npy", "z.pt", "w.npy"):
        with pytest.raises(AftError):
            aft.import_features(tmp_path / name, ids=tmp_path / "ids.txt", name="t", out=tmp_path / "f")


def test_pickled_shards_do_not_run(tmp_path, trap, store):
    (path,) = store.path.glob("shard-*.npy")
    size = path.stat().st_size
    path.write_bytes(pickle.dumps(Evil(trap)).ljust(size, b"\0"))
    with pytest.raises(AftError, match="shard-000000"):
        FeatureStore.open(store.path)
    np.save(path, np.array([Evil(trap)] * 9, dtype=object), allow_pickle=True)
    with pytest.raises(AftError, match="shard-000000"):
        FeatureStore.open(store.path)


@pytest.mark.parametrize("suffix", ["pt", "bin", "safetensors"])
def test_pickled_weights_do_not_run(pictures, tmp_path, trap, suffix):
    torch.save({"weight": Evil(trap)}, tmp_path / f"w.{suffix}")
    with pytest.raises(AftError, match=f"w.{suffix}"):
        aft.train(
            Dataset.from_folder(pictures),
            "timm:resnet10t",
            out=tmp_path / "run",
            weights=str(tmp_path / f"w.{suffix}"),
            **FAST,
        )


def test_a_pickled_checkpoint_does_not_run(dataset, tmp_path, trap, monkeypatch):
    def interrupted(self, batch):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aft.models.Student.forward", interrupted)
        with pytest.raises(KeyboardInterrupt):
            aft.train(dataset, STUDENT, out=tmp_path / "run", **FAST)
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(exist_ok=True)
    torch.save({"global_step": 1, "state_dict": Evil(trap)}, tmp_path / "evil")
    torch.save({"global_step": "many"}, tmp_path / "many")
    for content in (
        pickle.dumps(Evil(trap), 2),
        b"nonsense",
        (tmp_path / "evil").read_bytes(),
        (tmp_path / "many").read_bytes(),
    ):
        # The name is the one that fits, as a liar would have it.
        path = folder / f"step-000000001-{hashlib.sha256(content).hexdigest()[:32]}.ckpt"
        path.write_bytes(content)
        with pytest.raises(AftError, match=path.name):
            aft.train(dataset, STUDENT, out=tmp_path / "run", **FAST)
        path.unlink()


def test_pictures_outside_of_the_folder_are_refused(tmp_path, pictures):
    outside = tmp_path / "secret.png"
    Image.new("RGB", (8, 8)).save(outside)
    (pictures / "link.png").symlink_to(outside)
    for place in (str(outside), "../secret.png", "red/../../secret.png", "link.png"):
        table = pictures / "t.csv"
        table.write_text(f"file,label\n{place},a\n")
        with pytest.raises(AftError, match="secret|link"):
            Dataset.from_table(table, image="file", label="label").verified()


def bomb(path, side):
    """A PNG whose header claims a picture of many gigabytes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1_000_000)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


@pytest.mark.parametrize("side", [12_000, 60_000, (1 << 31) - 1])
def test_a_picture_that_claims_to_be_huge_is_a_bad_input(pictures, side):
    bomb(pictures / "red" / "bomb.png", side)
    with pytest.raises(AftError, match=r"bomb\.png|decoded|pixels"):
        Dataset.from_folder(pictures).verified()
    assert len(Dataset.from_folder(pictures, bad_inputs="skip").verified()) == 40


def test_a_parquet_file_that_claims_more_rows_than_it_can_hold_is_refused(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    part = pa.table({"text": ["x" * 1000] * 20_000})
    with parquet.ParquetWriter(tmp_path / "bomb.parquet", part.schema, compression="zstd") as writer:
        for _ in range(100):
            writer.write_table(part)
    assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000  # of 2 GB
    repeated = pa.DictionaryArray.from_arrays(pa.array(np.zeros(30_000, dtype=np.int8)), pa.array(["x" * 100_000]))
    with parquet.ParquetWriter(tmp_path / "words.parquet", pa.schema([("text", repeated.type)])) as writer:
        for _ in range(30):
            writer.write_table(pa.table({"text": repeated[:1000]}))
    cells = pa.table({"text": ["x" * 1_000_000] * 64})
    with parquet.ParquetWriter(tmp_path / "cells.parquet", cells.schema, compression="zstd") as writer:
        for _ in range(32):
            writer.write_table(cells)
    assert (tmp_path / "cells.parquet").stat().st_size < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(AftError, match="cells.parquet"):
        Dataset.from_table(tmp_path / "cells.parquet", text="text")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 3_000_000  # kilobytes
    with pytest.raises(AftError, match="words.parquet"):
        Dataset.from_table(tmp_path / "words.parquet", text="text")
    with pytest.raises(AftError, match="bomb.parquet"):
        Dataset.from_table(tmp_path / "bomb.parquet", text="text")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(50_000_000, dtype=np.float16)), 1000)
    ids = pa.array([str(n) for n in range(len(vectors))])
    parquet.write_table(pa.table({"id": ids, "vector": vectors}), tmp_path / "honest.parquet")
    store = aft.import_features(tmp_path / "honest.parquet", id="id", vector="vector", name="t", out=tmp_path / "f")
    assert len(store) == 50_000


def test_a_text_of_ten_million_characters_is_cut_before_it_is_tokenised(tmp_path):
    long = "word and word " * 715_000
    assert len(long) > 10_000_000
    rows = sentences(40)
    dataset = Dataset.from_arrays([*[text for _, text, _ in rows], long], [*[label for *_, label in rows], "pos"])
    for student in (STUDENT, "aft:transformer,width=8,layers=1,heads=2,vocabulary=100"):
        run = aft.train(dataset, student, out=tmp_path / student[4:10], **FAST)
        model = aft.load(run.path)
        assert model.predict([long])[0].label in ("pos", "neg")
        backbone = model.student.backbone
        reader = backbone._tokens
        watched = reader.tokenizer = mock.Mock(wraps=reader.tokenizer)
        backbone.encode([long])
        assert max(map(len, watched.encode_batch_fast.call_args.args[0])) <= 100_000


NAMES = ["a\nb", 'quo"te', "comma,", "tab\there", "\x1b[31mred", "<b>&amp;</b>", "emoji 🙂", "עברית", "ä" * 80, " ", "../up", "=1+1", "a\r\nb", "\ufeffbom", "nul\x01"]  # fmt: skip


def test_ids_of_any_kind_come_through_whole(tmp_path):
    rows = sentences(60)
    ids = [*NAMES, *[name + "2" for name in NAMES], *[str(n) for n in range(30)]]
    table = tmp_path / "t.jsonl"
    table.write_text(
        "".join(json.dumps({"id": i, "text": t, "label": y}) + "\n" for i, (_, t, y) in zip(ids, rows, strict=True))
    )
    dataset = Dataset.from_table(table, text="text", label="label", id="id")
    store = extract(dataset, "python:tests.conftest:bag_of_letters", name="t", out=tmp_path, progress=False)
    assert sorted(store.ids) == sorted(ids)
    assert FeatureStore.open(store.path)["a\nb"].shape == (26,)
    run = aft.train(dataset, STUDENT, [store], out=tmp_path / "run", **{**FAST, "method": "aft", "beta": 1})
    with (run.path / "splits.csv").open(encoding="utf-8", newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == set(ids)
    for name in ("p.csv", "p.jsonl"):
        command = [sys.executable, "-m", "aft", "predict", str(run.path), str(table), "--text", "text", "--id", "id"]
        done = subprocess.run(
            [*command, "--out", str(tmp_path / name)], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ids
    assert [json.loads(line)["id"] for line in (tmp_path / "p.jsonl").read_text().splitlines()] == ids


def test_class_names_do_not_reach_the_terminal_or_the_card_as_they_are(tmp_path):
    rows = sentences(60)
    names = {"pos": "\x1b[31m<script>alert(1)</script>\x07", "neg": "`](javascript:x)\n# heading"}
    dataset = Dataset.from_arrays([text for _, text, _ in rows], [names[label] for *_, label in rows])
    run = aft.train(dataset, STUDENT, out=tmp_path / "run", **FAST)
    card = (run.path / "README.md").read_text()
    assert "\x1b" not in card
    assert "<script>" not in card
    assert "\n# heading" not in card
    done = subprocess.run(
        [sys.executable, "-m", "aft", "inspect", str(run.path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr
    wrong = Dataset.from_arrays(["a text"], ["\x1b[31munknown"])
    with pytest.raises(AftError) as error:
        aft.evaluate(run.path, wrong)
    assert "\x1b" not in str(error.value)


def plain_student():
    """A python: factory."""
    from tests.conftest import letters

    return torch.nn.Sequential(torch.nn.Linear(26, 4), torch.nn.ReLU()), letters


def test_code_that_a_run_names_is_run_only_when_told(dataset, tmp_path, monkeypatch):
    student = "python:tests.test_hostile:plain_student"
    run = aft.train(dataset, student, out=tmp_path / "run", **FAST)
    with monkeypatch.context() as patch:
        patch.setattr("tests.test_hostile.plain_student", lambda: pytest.fail("code of a run was run"))
        with pytest.raises(AftError, match="never executes the code that it names"):
            aft.load(run.path)
    texts = [text for _, text, _ in sentences(3)]
    assert len(aft.load(run.path, student=student).predict(texts)) == 3
    assert aft.evaluate(run.path, dataset, student=student).samples
