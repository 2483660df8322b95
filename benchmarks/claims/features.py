"""The teachers' features for the claims: real models over real samples, computed once and kept in the cache."""

import argparse
import csv
from pathlib import Path

import numpy as np

import aft
from aft.core import cache_dir
from aft.data import Dataset
from aft.demo import (
    digit_pictures,
    emoji_names,
    emoji_pictures,
    minilm_folder,
    movie_sentences,
    unpack_mpnet,
)
from aft.extraction import extract_all
from aft.features import FeatureStore

#: Teachers of Google's emoji. Layers of one model share its forward pass.
LITE_DEPTHS = {
    "lite0": "python:aft.demo:lite0",
    "lite0-block5": "python:aft.demo:lite0,layer=network._blocks.5",
    "lite0-block10": "python:aft.demo:lite0,layer=network._blocks.10",
    "lite1": "python:aft.demo:lite1",
    "lite2": "python:aft.demo:lite2",
    "lite2-block7": "python:aft.demo:lite2,layer=network._blocks.7",
    "lite2-block14": "python:aft.demo:lite2,layer=network._blocks.14",
}
LITE2 = {"lite2": "python:aft.demo:lite2"}


def text_teachers() -> dict[str, str]:
    """Layers 2, 4, ... of mpnet and MiniLM. The last layer has the name of the model."""
    mpnet, minilm = unpack_mpnet(), minilm_folder()
    return {
        "mpnet": f"hf:{mpnet}",
        **{f"mpnet-layer{n}": f"hf:{mpnet},layer=encoder.layer.{n - 1}" for n in (2, 4, 6, 8, 10)},
        "minilm": f"hf:{minilm}",
        **{f"minilm-layer{n}": f"hf:{minilm},layer=encoder.layer.{n - 1}" for n in (2, 4)},
    }


def pictures(source: str) -> Path:
    """Return the image folder of a source."""
    return digit_pictures() if source == "digits" else emoji_pictures(source.removeprefix("emoji-"))


def samples(source: str) -> Dataset:
    """Return all samples of a source. Their labels are not used, because features do not depend on them."""
    if source == "movie":
        return Dataset.from_table(movie_sentences(), text="sentence", id="id")
    return Dataset.from_folder(pictures(source))


def folder(source: str) -> Path:
    """Return the directory of the stores of a source."""
    return cache_dir() / "claims" / source


def extract(source: str) -> None:
    """Compute the missing features of a source."""
    teachers = text_teachers() if source == "movie" else LITE_DEPTHS if source == "emoji-google" else LITE2
    extract_all(samples(source), teachers, out=folder(source))
    if source == "emoji-google":
        _names()


def _names() -> None:
    """Add a teacher that reads the name of each picture, which no image teacher can see."""
    out = folder("emoji-google")
    if (out / "names" / "manifest.json").exists():
        return
    ids = set(samples("emoji-google").ids)
    with emoji_names().open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["id"] in ids]
    table = Dataset.from_arrays([row["name"] for row in rows], ids=[row["id"] for row in rows])
    store = aft.extract(table, f"hf:{unpack_mpnet()}", name="mpnet", out=cache_dir() / "claims" / "emoji-names")
    sorted_ids = sorted(ids)
    np.save(out / "names.npy", store[sorted_ids])
    (out / "names.txt").write_text("\n".join(sorted_ids) + "\n", encoding="utf-8")
    aft.import_features(out / "names.npy", ids=out / "names.txt", name="names", out=out)


def stores(source: str, *names: str) -> list[FeatureStore]:
    """Open stores. Missing ones are computed first."""
    if not all((folder(source) / name / "manifest.json").exists() for name in names):
        extract(source)
    return [FeatureStore.open(folder(source) / name) for name in names]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", default=["movie", "emoji-google", "emoji-twitter", "digits"])
    for chosen in parser.parse_args().sources:
        extract(chosen)
