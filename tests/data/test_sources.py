"""Images in tables, data frames, Arrow tables, and image files of all kinds."""

import io
import json

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from aft.data import Dataset, infer_targets
from aft.errors import DataError


def encoded(shade, image_format="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, 0, 0)).save(buffer, image_format)
    return buffer.getvalue()


def hub_table(names=("cat", "dog")):
    """A table in the layout of the Hugging Face Hub."""
    cells = [{"bytes": encoded(n * 10), "path": f"{n}.png"} for n in range(6)]
    table = pyarrow.table({"image": cells, "label": [n % 2 for n in range(5)] + [-1]})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(names)}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def test_a_hub_data_set_of_images(tmp_path):
    parquet.write_table(hub_table(), tmp_path / "train.parquet")
    dataset = Dataset.from_table(tmp_path / "train.parquet", image="image", label="label")
    assert dataset.labels == ["cat", "dog", "cat", "dog", "cat", None]
    assert dataset.inputs[3].getpixel((0, 0)) == (30, 0, 0)
    assert len(set(dataset.ids)) == 6
    assert dataset.verified() is dataset


def test_images_as_plain_bytes_and_missing_ones(tmp_path):
    table = pyarrow.table({"picture": [encoded(1), encoded(2), None], "label": ["a", "b", "a"]})
    parquet.write_table(table, tmp_path / "x.parquet")
    dataset = Dataset.from_table(tmp_path / "x.parquet", image="picture", label="label")
    with pytest.raises(DataError, match="the image is missing"):
        dataset.verified()
    assert len(dataset.verified("skip")) == 2


def test_a_struct_without_bytes_is_a_path(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(7))
    table = pyarrow.table({"image": [{"bytes": None, "path": "a.png"}]})
    parquet.write_table(table, tmp_path / "x.parquet")
    dataset = Dataset.from_table(tmp_path / "x.parquet", image="image")
    assert dataset.ids == ["a.png"]
    assert dataset.inputs[0].getpixel((0, 0)) == (7, 0, 0)


def test_data_frames_and_arrow_tables():
    columns = {"text": ["one", "two", "three"], "label": [1, None, 0]}
    nullable = pandas.DataFrame(columns).astype({"text": "string", "label": "Int64"})
    for table in (pyarrow.table(columns), pandas.DataFrame(columns), nullable, polars.DataFrame(columns)):
        dataset = Dataset.from_table(table, text="text", label="label")
        assert dataset.labels == [1, None, 0]
        assert infer_targets(dataset, range(3)).classes == ("0", "1")
        assert [dataset.inputs[n] for n in range(3)] == columns["text"]
        assert dataset.source["path"] == type(table).__name__
    with pytest.raises(DataError, match="did you mean 'text'"):
        Dataset.from_table(pandas.DataFrame(columns), text="txt")
    with pytest.raises(DataError, match="received list"):
        Dataset.from_table([1, 2], text="text")
    with pytest.raises(DataError, match="at least one row"):
        Dataset.from_table(polars.DataFrame({"text": []}), text="text")


def test_folders_recognise_images_by_content_and_name_what_they_ignore(tmp_path, caplog):
    for name, content in {
        "red/photo": encoded(200),
        "red/photo.jfif": encoded(200, "JPEG"),
        "blue/scan.data": encoded(3, "BMP"),
        "blue/notes.txt": b"BM notes of a scan",
        "blue/page.webp": encoded(4, "WEBP"),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "green").mkdir()
    dataset = Dataset.from_folder(tmp_path).verified()
    assert dataset.ids == ["blue/page.webp", "blue/scan.data", "red/photo", "red/photo.jfif"]
    assert "are not images and are ignored, 1 in all" in caplog.text
    assert "'blue/notes.txt'" in caplog.text
    assert "contain no images, 1 in all: 'green'" in caplog.text


def test_heic_images_say_what_they_need(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(40))
    with pytest.raises(DataError, match="pillow-heif"):
        Dataset.from_folder(tmp_path).verified()


@pytest.mark.parametrize(("largest", "expected"), [(1.0, 255), (200.0, 200), (65280.0, 255)])
def test_floating_point_images_are_scaled(tmp_path, largest, expected):
    (tmp_path / "a").mkdir()
    values = np.array([[0.0, largest / 2], [largest, 0.0]], dtype=np.float32)
    Image.fromarray(values).save(tmp_path / "a" / "x.tiff")
    image = Dataset.from_folder(tmp_path).inputs[0]
    assert abs(image.getpixel((0, 1))[0] - expected) <= 1
    assert abs(image.getpixel((1, 0))[0] - expected / 2) <= 1


def test_floating_point_images_with_nan_are_unreadable(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.full((2, 2), np.nan, dtype=np.float32)).save(tmp_path / "a" / "x.tiff")
    with pytest.raises(DataError, match="finite"):
        Dataset.from_folder(tmp_path).verified()
