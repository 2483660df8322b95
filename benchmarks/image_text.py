"""Compare methods on images with texts: do a caption and a photograph, or a name and an emoji, belong together?

The photographs are those of flickr8k-matching. The emoji are 1,900 pictures of 32 pixels; each is paired with its name and with the name
of another emoji of the same split, so that no name is both learned and tested. The teachers are EfficientNet-Lite2 for images and all-mpnet-base-v2 for texts; the student multiplies a MobileNetV2 at 64 pixels with
two layers of MiniLM. All methods have the same steps, learning rate and beta: nothing is searched, since a search takes a day on two
cores. The comparison is kept in the folder that is given, so an interrupted script goes on where it was. The last line is one JSON object.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

import aft
from aft.data import Dataset, infer_targets, labelled_samples, make_splits
from aft.demo import emoji_names, emoji_pictures, minilm_folder, unpack_mpnet
from aft.evaluation import balanced_error_of
from aft.extraction import extract_all
from aft.features import FeatureStore
from aft.probing import fit_teacher_probe

TEACHERS = {"lite2": "python:aft.demo:lite2,reads=image", "mpnet": "hf:{mpnet}"}
STUDENT = "python:aft.demo:mobilenetv2_64,reads=image*hf:{minilm},keep_layers=2,max_length=64,vocabulary=4000"
METHODS = ("kd", "probe-kd", "aft", "aft+probe-kd")


def emoji_matching(table: Path) -> Dataset:
    """Pairs of an emoji and a name, 3,800: each picture with its own name, and with that of another one."""
    folder = emoji_pictures()
    with emoji_names().open(encoding="utf-8", newline="") as file:
        named = [(row["id"], row["name"]) for row in csv.DictReader(file) if (folder / row["id"]).exists()]
    generator = np.random.default_rng(0)
    order = generator.permutation(len(named))
    bounds = [0, len(named) // 5, 2 * len(named) // 5, len(named)]
    rows = []
    for split, start, end in zip(("test", "validation", "train"), bounds, bounds[1:], strict=False):
        places = order[start:end]
        for own, other in zip(places.tolist(), np.roll(places, 1).tolist(), strict=True):
            picture = named[own][0]
            rows += [(picture, named[own][1], "match", split), (picture, named[other][1], "no-match", split)]
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("picture", "name", "label", "split"), *rows])
    return Dataset.from_table(
        table, image="picture", text="name", label="label", split="split", group="picture", image_root=folder
    )


def probes(dataset: Dataset, stores: list[FeatureStore]) -> dict[str, dict[str, float]]:
    """Test errors of a probe that adds what the teachers say, and of one that reads products, too."""
    import torch

    splits = make_splits(
        dataset, validation_fraction=0.2, test_fraction=0.2, seed=0, unlabelled="use", leakage="error"
    )  # fmt: skip
    targets = infer_targets(dataset, splits.train.tolist(), "auto")
    (train, y), (test, truth) = (
        labelled_samples(dataset, targets, part.tolist()) for part in (splits.train, splits.test)
    )
    known, unseen = (
        {store.name: store.tensor([dataset.ids[i] for i in part]) for store in stores} for part in (train, test)
    )
    errors = {}
    for name, factors in (("sum", ()), ("products", [[store.name] for store in stores])):
        probe = fit_teacher_probe(known, torch.from_numpy(y), targets.kind, factors=factors, outputs=targets.outputs)
        wrong = (probe(unseen).argmax(dim=1).numpy() != truth)[None].astype(float)
        errors[name] = {"error": round(float(wrong.mean()), 4), "balanced": round(balanced_error_of(wrong, truth), 4)}
    return errors


def main() -> None:
    """Extract what is missing, compare, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder of features and comparison")
    parser.add_argument("--task", choices=("flickr8k-matching", "emoji"), default="flickr8k-matching")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    dataset = (
        emoji_matching(arguments.out / "emoji.csv") if arguments.task == "emoji" else Dataset.from_hub(arguments.task)
    )
    teachers = {name: model.format(mpnet=unpack_mpnet()) for name, model in TEACHERS.items()}
    stores = extract_all(dataset, teachers, out=arguments.out / "features")
    print(json.dumps(probes(dataset, stores)), flush=True)
    table = aft.compare(
        dataset, STUDENT.format(minilm=minilm_folder()), stores, methods=METHODS, seeds=arguments.seeds, steps=arguments.steps,
        lr=3e-4, beta=1.0, weighting="balanced", out=arguments.out / "comparison",
    )  # fmt: skip
    print(table)
    for sentence in table.conclusions:
        print(sentence)
    aft.report(arguments.out / "comparison")
    rows = {
        method.method: {"error": method.mean, "spread": method.spread, "balanced": method.balanced_error}
        for method in table.methods
    }
    for name, reference in (("probe", table.result.probe), ("majority", table.result.majority)):
        rows[name] = {"error": reference.error, "balanced": reference.balanced_error}
    for baseline in table.result.baselines:
        rows[baseline.name] = {"error": baseline.error, "balanced": baseline.balanced_error}
    print(
        json.dumps(
            {
                "benchmark": "image_text", "task": arguments.task, "seeds": arguments.seeds, "steps": arguments.steps,
                "probes": probes(dataset, stores), "rows": rows,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
