"""Fuzzing of the readers: whatever the files of a store contain, the result is an `AftError` or the correct features.

An attacker who knows the format can forge every digest, and then reads back what they wrote. But no reader
may crash, hang, exhaust memory or leave the directory.
"""

import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aft.errors import AftError
from aft.features import FeatureStore, merge, repair, verify
from tests.features.test_store import fill, make, plan, vector

IDS = tuple("abcdefghij")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["../x", "/etc/passwd", "0" * 64, "float32", "float16", "manifest", 2**31, 2**47, 1, 5, 9, []]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def whole():
    """A store of three shards, of which the tests corrupt copies."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "s", IDS, rows=4)
        yield Path(folder) / "s"


@contextmanager
def copy_of(store):
    """A copy to corrupt, in a separate directory for each example."""
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(shutil.copytree(store, Path(temporary) / "s"))


def paths(value, path=()):
    """Every path in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def put(value, path, new):
    """The value with another value at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


def sealed(content):
    """A document with a valid digest, encoded as a store does."""
    body = json.dumps(content, indent=1, sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return (json.dumps({"content": content, "sha256": digest}, indent=1, sort_keys=True) + "\n").encode()


def use(folder):
    """Use a store in every way; only `AftError` may be raised."""
    for work in (
        lambda: FeatureStore.open(folder)[list(IDS)],
        lambda: FeatureStore.open(folder).ids,
        lambda: verify(folder),
        lambda: fill(plan(folder, IDS, rows=4)).finish(),
        lambda: repair(folder),
        lambda: fill(plan(folder, IDS, rows=4)).finish(),
        lambda: fill(plan(folder, IDS, rows=4, overwrite=True)).finish(),
    ):
        with suppress(AftError):
            work()
    # Overwriting restores the store whatever it contained.
    store = FeatureStore.open(folder)
    np.testing.assert_array_equal(store[list(IDS)], np.stack([vector(i, store.dim) for i in IDS]).astype(store.dtype))
    assert sorted(path.name for path in folder.parent.iterdir()) == ["s"]


slow = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


@slow
@given(data=st.data())
def test_forged_documents_with_valid_digests(whole, data):
    with copy_of(whole) as folder:
        name = data.draw(st.sampled_from(["plan.json", "manifest.json", "shard-000001.json"]))
        content = json.loads((folder / name).read_bytes())["content"]
        path = data.draw(st.sampled_from(list(paths(content))))
        forged = put(content, path, data.draw(JSON))
        (folder / name).write_bytes(sealed(forged))
        if name.startswith("shard") and data.draw(st.booleans()):
            manifest = json.loads((folder / "manifest.json").read_bytes())["content"]
            manifest["shards"][1]["record_sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            (folder / "manifest.json").write_bytes(sealed(manifest))
        use(folder)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["plan.json", "manifest.json"])
def test_numbers_that_json_has_not_are_corrupt(whole, name, number):
    with copy_of(whole) as folder:
        content = json.loads((folder / name).read_bytes())["content"]
        content["fingerprint"]["layer"] = number
        (folder / name).write_bytes(sealed(content))
        use(folder)


@slow
@given(data=st.data())
def test_arbitrary_bytes_in_any_file(whole, data):
    with copy_of(whole) as folder:
        name = data.draw(st.sampled_from(sorted(path.name for path in whole.iterdir())))
        raw = (folder / name).read_bytes()
        start = data.draw(st.integers(0, len(raw)))
        stop = data.draw(st.integers(start, len(raw)))
        (folder / name).write_bytes(raw[:start] + data.draw(st.binary(max_size=40)) + raw[stop:])
        use(folder)


@slow
@given(data=st.data())
def test_consistently_forged_shards_are_read_as_written_or_rejected(whole, data):
    """Data, record and manifest of one shard are forged consistently."""
    with copy_of(whole) as folder:
        record = json.loads((folder / "shard-000001.json").read_bytes())["content"]
        raw = (
            data.draw(st.binary(max_size=60))
            + (folder / "shard-000001.npy").read_bytes()[data.draw(st.integers(0, 200)) :]
        )
        (folder / "shard-000001.npy").write_bytes(raw)
        record["data"] = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        record[data.draw(st.sampled_from(["rows", "dim", "block_rows"]))] = data.draw(st.integers(0, 1 << 33))
        (folder / "shard-000001.json").write_bytes(sealed(record))
        manifest = json.loads((folder / "manifest.json").read_bytes())["content"]
        listed = manifest["shards"][1]
        listed["record_sha256"] = hashlib.sha256((folder / "shard-000001.json").read_bytes()).hexdigest()
        manifest["rows"] += record["rows"] - listed["rows"]
        listed["rows"] = record["rows"]
        (folder / "manifest.json").write_bytes(sealed(manifest))
        use(folder)


def test_names_that_leave_the_directory_are_rejected(tmp_path):
    make(tmp_path / "s", IDS)
    for path in (tmp_path / "s" / "manifest.json", tmp_path / "s" / "plan.json"):
        content = json.loads(path.read_bytes())["content"]
        path.write_bytes(sealed({**content, "name": "../../evil"}))
    with pytest.raises(AftError, match="plain directory name"):
        merge([tmp_path / "s"], out=tmp_path / "out" / "deep")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]


@pytest.mark.parametrize("name", ["plan.json", "manifest.json", "shard-000000.json", "shard-000000.npy", "shard-000000.ids.jsonl", "index"])  # fmt: skip
def test_symbolic_links_are_rejected(tmp_path, name):
    store = make(tmp_path / "s", IDS)
    path = next(store.path.glob(f"{name}*"))
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    assert any(path.name in finding for finding in findings(store.path))
    if name != "plan.json":  # reading does not need the plan
        with pytest.raises(AftError):
            FeatureStore.open(store.path).verify()


def findings(folder):
    try:
        return verify(folder)
    except AftError as error:
        return [str(error)]
