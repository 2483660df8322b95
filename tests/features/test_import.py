"""Imports of vectors from other tools: arrays, tables and JSON lines."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from typer.testing import CliRunner

from aft.cli import app
from aft.errors import AftError, BadFeatureError, FingerprintError, StoreError, UsageError
from aft.features import FeatureStore, import_features, repair, verify

IDS = ["plain", "with/slash", "new\nline", "ünï", "7"]
VALUES = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


def as_array(folder):
    np.save(folder / "v.npy", VALUES)
    (folder / "ids.txt").write_text("\n".join(json.dumps(name) for name in IDS) + "\n", encoding="utf-8")
    return {"file": folder / "v.npy", "ids": folder / "ids.txt"}


def as_lists(folder, kind=None):
    kind = kind or pa.list_(pa.float32())
    table = pa.table({"note": ["x"] * 5, "id": IDS, "embedding": pa.array(VALUES.tolist(), type=kind)})
    parquet.write_table(table, folder / "v.parquet")
    return {"file": folder / "v.parquet"}


def as_columns(folder):
    columns = {f"d{n}": VALUES[:, n].astype(np.float64) for n in range(3)}
    parquet.write_table(pa.table({"id": IDS, **columns}), folder / "v.parquet")
    return {"file": folder / "v.parquet"}


def as_lines(folder):
    rows = [{"id": name, "embedding": vector, "model": "m"} for name, vector in zip(IDS, VALUES.tolist(), strict=True)]
    (folder / "v.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    return {"file": folder / "v.jsonl"}


def as_batch_answers(folder):
    rows = [
        {"custom_id": name, "response": {"body": {"data": [{"embedding": vector}], "usage": [1, 2]}}}
        for name, vector in zip(IDS, VALUES.tolist(), strict=True)
    ]
    (folder / "v.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {"file": folder / "v.jsonl", "id": "custom_id", "vector": "response.body.data.0.embedding"}


@pytest.mark.parametrize(
    "write",
    [
        as_array,
        as_lists,
        lambda folder: as_lists(folder, pa.list_(pa.float64(), 3)),
        lambda folder: as_lists(folder, pa.large_list(pa.float16())),
        as_columns,
        as_lines,
        as_batch_answers,
    ],
)
def test_vectors_are_imported_by_id(tmp_path, write):
    store = import_features(**write(tmp_path), name="api", out=tmp_path / "out")
    assert store.ids == IDS
    assert np.allclose(store[IDS[::-1]], VALUES[::-1], atol=1e-3)
    assert import_features(**write(tmp_path), name="api", out=tmp_path / "out").ids == IDS


@given(
    count=st.integers(1, 700),
    width=st.integers(1, 4),
    kind=st.sampled_from(["lists", "lines"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_shards_and_any_order_of_ids(tmp_path, count, width, kind, seed):
    generator = np.random.default_rng(seed)
    values, ids = generator.standard_normal((count, width)), generator.permutation(count).tolist()
    path = tmp_path / f"v.{'parquet' if kind == 'lists' else 'jsonl'}"
    if kind == "lists":
        parquet.write_table(pa.table({"id": ids, "v": values.tolist()}), path, row_group_size=100)
    else:
        path.write_text(
            "".join(json.dumps({"id": i, "v": v.tolist()}) + "\n" for i, v in zip(ids, values, strict=True))
        )
    store = import_features(path, name="api", out=tmp_path / f"{count}-{width}-{kind}-{seed}")
    assert np.array_equal(store[[str(i) for i in ids]], values.astype(np.float32))


def test_import_resumes_after_a_repair_that_moved_samples_to_other_shards(tmp_path):
    values = np.random.default_rng(0).standard_normal((600, 4)).astype(np.float32)
    np.save(tmp_path / "v.npy", values)
    ids = [f"id{n}" for n in range(600)]
    (tmp_path / "ids.txt").write_text("\n".join(ids) + "\n")
    given = {"file": tmp_path / "v.npy", "ids": tmp_path / "ids.txt", "name": "api", "out": tmp_path}
    import_features(**given)
    (tmp_path / "api" / "shard-000000.ids.jsonl").unlink()
    assert len(repair(tmp_path / "api")) == 1
    store = import_features(**given)
    assert verify(store.path) == []
    assert store.ids[0] == "id256"
    assert np.array_equal(store[ids], values)


def lines(folder, *rows):
    (folder / "v.jsonl").write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return {"file": folder / "v.jsonl"}


def table(folder, **columns):
    parquet.write_table(pa.table(columns), folder / "v.parquet")
    return {"file": folder / "v.parquet"}


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda d: {"file": as_array(d)["file"]}, "ids="),
        (lambda d: {**as_lists(d), "ids": d / "ids.txt"}, "omit ids="),
        (lambda d: {**as_lists(d), "id": "ids"}, "did you mean 'id'"),
        (lambda d: {**as_lists(d), "vector": "embeding"}, "did you mean 'embedding'"),
        (lambda d: {**as_lists(d), "vector": "note"}, "column of lists"),
        (lambda d: table(d, id=["a"], a=[[1.0]], b=[[2.0]]), "name the column with vector="),
        (lambda d: table(d, id=["a", "b"], v=[[1.0, 2.0], [1.0]]), "width of the first, 2"),
        (lambda d: table(d, id=["a", "b"], v=[[1.0, 2.0], None]), "'b'"),
        (lambda d: table(d, id=["a", "b"], v=[[1.0, 2.0], [None, 1.0]]), "no missing values"),
        (lambda d: table(d, id=["a", "b"], v=[1.0, None]), "'b'"),
        (lambda d: table(d, id=["a", None], v=[1.0, 2.0]), "ids must be strings or integers"),
        (lambda d: table(d, id=["a"], v=[["x"]]), "must contain numbers"),
        (lambda d: table(d, id=["a"]), "column of lists"),
        (lambda d: table(d, id=["a", "a"], v=[1.0, 2.0]), "ids must be unique"),
        (lambda d: table(d, id=["a", "b"], v=[1.0, float("nan")]), "ids 'b'"),
        (lambda d: lines(d, {"id": "a", "v": [1, 2]}, {"id": "b", "v": [1]}), "width of the first, 2"),
        (lambda d: lines(d, {"id": "a", "v": [1, 2]}, {"id": "b", "v": [1, "x"]}), "line 2"),
        (lambda d: lines(d, {"id": "a", "v": [1, True]}), "0 such"),
        (lambda d: lines(d, {"id": "a", "v": [1], "w": [2]}), "2 such"),
        (lambda d: lines(d, {"id": "a", "v": [1]}, {"v": [1]}), "no field 'id'"),
        (lambda d: lines(d, {"id": None, "v": [1]}), "ids must be strings"),
        (lambda d: lines(d, {"id": "a", "v": [1, 10**400]}), "finite numbers"),
        (lambda d: lines(d, '{"id": "a", "v": [1, NaN]}\n'), "ids 'a'"),
        (lambda d: lines(d, "[1, 2]\n"), "JSON objects"),
        (lambda d: lines(d, "[" * 100_000), "JSON objects"),
        (lambda d: lines(d), "at least one"),
        (lambda d: {"file": d / "none.jsonl"}, "No such file"),
        (lambda d: {"file": d / "none.csv"}, r"\.jsonl lines"),
    ],
)
def test_invalid_imports_are_rejected_and_leave_no_store(tmp_path, write, message):
    with pytest.raises((UsageError, StoreError, BadFeatureError), match=message):
        import_features(**write(tmp_path), name="api", out=tmp_path / "out")
    with pytest.raises(StoreError):
        FeatureStore.open(tmp_path / "out" / "api")


@given(content=st.binary(max_size=200), suffix=st.sampled_from(["npy", "parquet", "jsonl"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_files_are_rejected(tmp_path, content, suffix):
    path = tmp_path / f"v.{suffix}"
    path.write_bytes({"npy": b"\x93NUMPY\x01\x00", "parquet": b"PAR1", "jsonl": b"{"}[suffix] + content)
    (tmp_path / "ids.txt").write_text("a\n")
    ids = {"ids": tmp_path / "ids.txt"} if suffix == "npy" else {}
    with pytest.raises(AftError):
        import_features(path, **ids, name="api", out=tmp_path / "out")


def test_import_command(tmp_path):
    given = as_batch_answers(tmp_path)
    arguments = [
        "import-features",
        str(given["file"]),
        "--id",
        given["id"],
        "--vector",
        given["vector"],
        "--name",
        "api",
    ]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.output.strip() == str(tmp_path / "out" / "api")


def test_importing_again_with_other_ids_is_rejected_or_replaces(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(3, 2))
    (tmp_path / "one.txt").write_text("a\nb\nc\n")
    (tmp_path / "two.txt").write_text("c\nb\na\n")
    common = {"name": "x", "out": tmp_path / "f"}
    import_features(tmp_path / "x.npy", ids=tmp_path / "one.txt", **common)
    with pytest.raises(FingerprintError, match="ids_sha256"):
        import_features(tmp_path / "x.npy", ids=tmp_path / "two.txt", **common)
    store = import_features(tmp_path / "x.npy", ids=tmp_path / "two.txt", overwrite=True, **common)
    assert store["c"].tolist() == [0.0, 1.0]
    (tmp_path / "bad.txt").write_text('"a" x\nb\nc\n')
    with pytest.raises(UsageError, match="JSON string"):
        import_features(tmp_path / "x.npy", ids=tmp_path / "bad.txt", name="y", out=tmp_path / "f")


def test_the_part_of_a_sample_that_was_read_is_kept(tmp_path):
    store = import_features(**as_lines(tmp_path), name="api", out=tmp_path / "out", reads="text")
    assert store.fingerprint["reads"] == "text"
    with pytest.raises(UsageError, match="^reads= is a part of a sample; received 'texts'; did you mean 'text'"):
        import_features(**as_lines(tmp_path), name="other", out=tmp_path / "out", reads="texts")
    with pytest.raises(FingerprintError, match="reads"):
        import_features(**as_lines(tmp_path), name="api", out=tmp_path / "out", reads="image")
