"""The samples of the claims and the teachers' features: real models over real data, computed once and kept in the cache.

Public datasets are read by name: from the folder that ``AFT_DATA`` names if it is set, else from the Hugging Face Hub.
"""

import argparse
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

import aft
from aft.core import cache_dir
from aft.data import Dataset
from aft.demo import minilm_folder, movie_sentences, unpack_mpnet
from aft.extraction import extract_all
from aft.features import FeatureStore

#: Random seed of the choice of samples.
SEED = 2406_07337
#: The largest numbers of training and test samples; the whole set where it is not listed.
LARGEST = {"cifar10": (8000, 2000), "imdb": (4000, 2000)}
IMAGES = ("cifar10", "caltech101")
SOURCES = ("movie", "trec", "sst2", "cola", "mrpc", "imdb", *IMAGES)
#: What the names of teachers begin with that know nothing.
NOISE = "noise"
#: The texts whose teachers include layers of one model, and the pictures that have one more.
DEEP = ("movie", "caltech101")


def teachers(source: str) -> dict[str, str]:
    """Teachers of a source. Layers of one model share its forward pass; the last one has the name of the model."""
    deep = source in DEEP
    if source in IMAGES:
        between = {"lite1": "python:aft.demo:lite1"} if deep else {}
        return {"lite0": "python:aft.demo:lite0", "lite2": "python:aft.demo:lite2", **between}
    mpnet, minilm = f"hf:{unpack_mpnet()}", f"hf:{minilm_folder()}"
    layers = {
        **{f"mpnet-layer{n}": f"{mpnet},layer=encoder.layer.{n - 1}" for n in (2, 4, 6, 8, 10)},
        **{f"minilm-layer{n}": f"{minilm},layer=encoder.layer.{n - 1}" for n in (2, 4)},
    }
    return {"mpnet": mpnet, "minilm": minilm, **(layers if deep else {})}


@lru_cache(maxsize=2)
def samples(source: str) -> Dataset:
    """Return the samples of a source, with labels and splits where they are its own."""
    if source == "movie":
        return Dataset.from_table(movie_sentences(), text="sentence", id="id")
    dataset = Dataset.from_hub(source)
    if source not in LARGEST or dataset.splits is None:
        return dataset
    order, kept = np.random.default_rng(SEED).permutation(len(dataset)), []
    for split, most in zip(("train", "test"), LARGEST[source], strict=True):
        kept += [int(place) for place in order if dataset.splits[place] == split][:most]
    return dataset.subset(sorted(kept))


def folder(source: str) -> Path:
    """Return the directory of the stores of a source."""
    return cache_dir() / "claims" / source


def extract(source: str, names: Sequence[str] | None = None) -> None:
    """Compute the missing features of a source, by all of its teachers or some of them."""
    chosen = {name: spec for name, spec in teachers(source).items() if names is None or name in names}
    extract_all(samples(source), chosen, out=folder(source), precision="bf16")


def noise(source: str, like: str, times: int) -> FeatureStore:
    """Return a teacher that knows nothing: random numbers, some times as many as another teacher has features."""
    name = f"{NOISE}{times}"
    if not (folder(source) / name / "manifest.json").exists():
        (store,) = stores(source, like)
        ids = sorted(samples(source).ids)
        values = np.random.default_rng(SEED).standard_normal((len(ids), times * store.dim), dtype=np.float32)
        np.save(folder(source) / f"{name}.npy", values.astype(np.float16))
        (folder(source) / f"{name}.txt").write_text("\n".join(ids) + "\n", encoding="utf-8")
        aft.import_features(
            folder(source) / f"{name}.npy", ids=folder(source) / f"{name}.txt", name=name, out=folder(source)
        )
    return FeatureStore.open(folder(source) / name)


def stores(source: str, *names: str) -> list[FeatureStore]:
    """Open stores. Missing ones are computed first. ``noise3`` has three times as many random numbers as the first one has features."""
    real = [name for name in names if not name.startswith(NOISE)]
    if not all((folder(source) / name / "manifest.json").exists() for name in real):
        known = teachers(source)
        models = {known[name].split(",layer=")[0] for name in real}
        # With all layers of the same models, which share its forward passes.
        extract(source, [name for name, spec in known.items() if spec.split(",layer=")[0] in models])
    return [
        FeatureStore.open(folder(source) / name)
        if name in real
        else noise(source, names[0], int(name.removeprefix(NOISE)))
        for name in names
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", default=SOURCES)
    for chosen in parser.parse_args().sources:
        extract(chosen)
