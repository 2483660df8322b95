"""Tables at addresses of object storage: a local S3 server."""

import io
import random
import string

import numpy as np
import pytest
from PIL import Image

import aft
from aft.data import Dataset
from aft.errors import DataError, MissingExtraError
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture

ROWS = [("a", "eins, zwei", "x"), ("b", "drei", "y"), ("c", "vier\nfünf", "x")]
COLUMNS = {"id": "id", "text": "text", "label": "label"}


def parquet_bytes(**columns):
    import pyarrow
    from pyarrow import parquet

    content = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), content, row_group_size=100)
    return content.getvalue()


def put(bucket, name, content):
    bucket.client.put_object(Bucket=bucket.name, Key=f"data/{name}", Body=content)
    return f"s3://{bucket.name}/data/{name}"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_at_an_address_is_the_table_of_a_file(bucket, tmp_path, suffix):
    import pandas

    frame = pandas.DataFrame(ROWS, columns=["id", "text", "label"])
    path = tmp_path / f"t{suffix}"
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False), ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }  # fmt: skip
    writers[suffix]()
    near = Dataset.from_table(path, **COLUMNS)
    far = Dataset.from_table(put(bucket, path.name, path.read_bytes()), **COLUMNS)
    assert (far.ids, far.labels, far.digests) == (near.ids, near.labels, near.digests)
    assert list(far.inputs) == list(near.inputs) == [text for _, text, _ in ROWS]
    assert far.source["path"] == f"s3://{bucket.name}/data/t{suffix}"


def test_only_the_columns_that_are_named_are_fetched(bucket, monkeypatch):
    from s3fs.core import S3File

    letters = random.Random(0)
    texts = ["".join(letters.choices(string.ascii_letters, k=50)) for _ in range(4000)]
    big = ["".join(letters.choices(string.ascii_letters, k=5000)) for _ in range(4000)]
    content = parquet_bytes(text=texts, big=big)
    url = put(bucket, "wide.parquet", content)
    fetched = []
    fetch = S3File._fetch_range
    monkeypatch.setattr(
        S3File, "_fetch_range", lambda self, start, end: fetched.append(end - start) or fetch(self, start, end)
    )
    assert list(Dataset.from_table(url, text="text").inputs) == texts
    assert sum(fetched) < len(content) / 4


def test_features_training_and_predictions_from_addresses(bucket, tmp_path, reviews, aft_command):  # noqa: F811
    url = put(bucket, "reviews.csv", reviews.read_bytes())
    columns = ("--text", "sentence", "--id", "id")
    teacher = "letters=python:tests.conftest:bag_of_letters"
    status, _, err = aft_command(
        "extract", url, *columns, "--teacher", teacher, "--out", f"s3://{bucket.name}/features"
    )
    assert status == 0, err
    status, _, err = aft_command(
        "train", url, *columns, "--label", "label", "--student", "aft:static,width=16,hidden=16,vocabulary=200", "--method", "aft",
        "--features", f"s3://{bucket.name}/features/letters", "--beta", "1", "--steps", "5", "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0, err
    status, far, err = aft_command("predict", tmp_path / "run", url)
    assert status == 0, err
    assert far == aft_command("predict", tmp_path / "run", reviews)[1]
    aft.export(tmp_path / "run", tmp_path / "exported")
    status, exported, err = aft_command("predict", tmp_path / "exported", url)
    assert status == 0, err
    assert len(exported.splitlines()) == len(far.splitlines()) == 121


def test_images_are_in_the_cells_or_in_a_folder_of_this_machine(bucket, tmp_path):
    picture = tmp_path / "a.png"
    Image.fromarray(np.full((4, 4, 3), 200, dtype=np.uint8)).save(picture)
    inside = put(bucket, "inside.parquet", parquet_bytes(image=[picture.read_bytes()], id=["a"]))
    assert Dataset.from_table(inside, image="image", id="id").verified().inputs[0].size == (4, 4)
    paths = put(bucket, "paths.csv", b"image\na.png\n")
    with pytest.raises(
        DataError, match="or image_root= is the folder of this machine that does; received paths, such as 'a.png'"
    ):
        Dataset.from_table(paths, image="image")
    assert len(Dataset.from_table(paths, image="image", image_root=tmp_path).verified()) == 1


def test_what_is_wrong_with_an_address_is_said(bucket, monkeypatch):
    with pytest.raises(DataError, match="there is no file 's3://.*none.csv'; check the path"):
        Dataset.from_table(f"s3://{bucket.name}/none.csv", text="text")
    with pytest.raises(DataError, match="is one that fsspec supports; received 'nowhere://x/t.csv'"):
        Dataset.from_table("nowhere://x/t.csv", text="text")
    with pytest.raises(DataError, match="a table is UTF-8 text; 's3://.*' is not, at byte 8"):
        Dataset.from_table(put(bucket, "latin.csv", b"text,x\nc\xe9,1\n"), text="text")
    with pytest.raises(DataError, match="'s3://.*' is not a readable Parquet file"):
        Dataset.from_table(put(bucket, "torn.parquet", parquet_bytes(text=["a"] * 9)[:-20]), text="text")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    with pytest.raises(
        DataError, match="object storage must respond; received .*; check the address, the credentials and the network"
    ):
        Dataset.from_table(f"s3://{bucket.name}/t.csv", text="text")
    s3fs.S3FileSystem.clear_instance_cache()


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    def missing(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(MissingExtraError, match=r"s3:// needs a package of fsspec.*\[s3\]"):
        Dataset.from_table("s3://bucket/t.csv", text="text")
