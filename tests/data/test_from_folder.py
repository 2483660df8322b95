import shutil

import pytest

from aft.data import Dataset
from aft.errors import DataError


def test_folders_define_classes_splits_and_unlabelled_images(pictures):
    dataset = Dataset.from_folder(pictures)
    assert dataset.ids[0] == "blue/00.png"
    assert set(dataset.labels) == {"red", "blue"}
    (pictures / "red" / "00.png").rename(pictures / "loose.png")
    assert Dataset.from_folder(pictures).labels[Dataset.from_folder(pictures).ids.index("loose.png")] is None
    (pictures / "loose.png").unlink()
    (pictures / "train").mkdir()
    for name in ("red", "blue"):
        (pictures / name).rename(pictures / "train" / name)
    (pictures / "val" / "red").mkdir(parents=True)
    (pictures / "train" / "red" / "01.png").rename(pictures / "val" / "red" / "x.png")
    dataset = Dataset.from_folder(pictures)
    assert dataset.splits.count("validation") == 1
    assert set(dataset.labels) == {"red", "blue"}


def test_unlabelled_images_may_be_inside_a_split(pictures):
    for split in ("train", "test"):
        (pictures / split).mkdir()
    (pictures / "blue").rename(pictures / "test" / "blue")
    shutil.copytree(pictures / "red", pictures / "train" / "red")
    (pictures / "red").rename(pictures / "train" / "unlabelled")
    dataset = Dataset.from_folder(pictures)
    assert {label for id, label in zip(dataset.ids, dataset.labels, strict=True) if "/unlabelled/" in id} == {None}
    assert set(dataset.labels) == {"red", "blue", None}


def test_transparent_pixels_are_white_and_exif_rotation_is_applied(tmp_path):
    from PIL import Image

    Image.new("RGBA", (2, 3), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    sideways = Image.new("RGB", (4, 2))
    exif = sideways.getexif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "sideways.jpg", exif=exif)
    dataset = Dataset.from_folder(tmp_path)
    assert dataset.inputs[0].getpixel((0, 0)) == (255, 255, 255)
    assert dataset.inputs[1].size == (2, 4)


def test_split_folders_never_become_classes(pictures):
    (pictures / "train").mkdir()
    for name in ("red", "blue"):
        (pictures / name).rename(pictures / "train" / name)
    stray = pictures / "train" / "red" / "00.png"
    stray.rename(pictures / "logo.png")
    with pytest.raises(DataError, match=r"'logo\.png'"):
        Dataset.from_folder(pictures)
    (pictures / "unlabelled").mkdir()
    (pictures / "logo.png").rename(pictures / "unlabelled" / "logo.png")
    dataset = Dataset.from_folder(pictures)
    assert set(dataset.labels) == {"red", "blue", None}
    assert set(dataset.splits) == {"train"}
