"""The claims about images at full size, on a machine with a GPU and without a network, in pieces of some minutes.

1. ``python benchmarks/claims/images_on_a_gpu.py pack PARTS`` writes what such a machine lacks (images, features, weights, packages)
   into folders of at most 50 MB, here.
2. ``make claims-gpu PARTS=...`` there: trains for nine minutes with what parts are present, and appends to ``PARTS/trainings.jsonl``. The
   machine has PyTorch, torchvision, transformers, Lightning and PyArrow. Run it again to go on.
3. ``python benchmarks/claims/images_on_a_gpu.py merge PARTS/trainings.jsonl`` adds the trainings to the journal, here, and writes
   the result as far as it goes.

``run PARTS --small`` trains two steps on a CPU, to see that all of it works.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Where each kind of file is in a part, and where the scripts look for it.
DATA, CACHE, PACKAGES = "data", "cache", "packages"
#: What the machine lacks of what aft imports. They are small.
LACKING = ("pydantic", "pydantic-core", "annotated-types", "typing-inspection", "typing-extensions")
CLAIM = (
    "On a GPU, AFT gives a lower test error on images than fine-tuning and than every other transfer of similar cost."
)


def main() -> None:
    """Pack, run or merge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write what the machine lacks")
    packing.add_argument("parts", type=Path, help="a new folder")
    packing.add_argument("--megabytes", type=float, default=50, help="of a part, at most")
    packing.add_argument("--python", default="3.12", help="the version of Python on the machine")
    running = commands.add_parser("run", help="train")
    running.add_argument("parts", type=Path)
    running.add_argument("--minutes", type=float, default=8.0, help="start no training after this time")
    running.add_argument("--processes", type=int, default=6, help="number of trainings side by side")
    running.add_argument("--small", action="store_true", help="two steps of one method, to see that it works")
    merging = commands.add_parser("merge", help="add the trainings to the journal")
    merging.add_argument("trainings", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "pack":
        pack(arguments.parts, round(arguments.megabytes * 1e6), arguments.python)
    elif arguments.command == "run":
        run(arguments.parts, arguments.minutes, arguments.processes, small=arguments.small)
    else:
        merge(arguments.trainings)


def pack(parts: Path, most: int, python: str) -> None:
    """Write files into folders of at most so many bytes, in order: the first ones are enough for the first task."""
    parts.mkdir(parents=True)
    packages = parts / PACKAGES
    _install(packages, python)
    sizes: list[int] = []
    for file, place in _needed(packages):
        size = file.stat().st_size
        if size > most:
            raise SystemExit(
                f"a part holds whole files; {file} has {size / 1e6:.0f} MB; pass --megabytes {size / 1e6 + 1:.0f}"
            )
        if not sizes or sizes[-1] + size > most:
            sizes.append(0)
        sizes[-1] += size
        target = parts / f"part-{len(sizes)}" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    shutil.rmtree(packages)
    for number, size in enumerate(sizes, 1):
        print(f"{parts / f'part-{number}'}: {size / 1e6:.1f} MB")


def _install(folder: Path, python: str) -> None:
    """Install packages for another machine, whose version of Python may be another one."""
    command = [
        str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--target", str(folder), "--no-deps",
        "--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:", *LACKING,
    ]  # fmt: skip
    subprocess.run(command, check=True)


def _needed(packages: Path) -> Iterator[tuple[Path, Path]]:
    """Files, and their places in a part; what every task needs comes first."""
    import features
    from aft.core import cache_dir
    from aft.demo import mobilenetv2_96

    mobilenetv2_96()  # fetches its weights
    data, cache = Path(os.environ["AFT_DATA"]), cache_dir()
    yield from ((file, PACKAGES / file.relative_to(packages)) for file in sorted(packages.rglob("*")) if file.is_file())
    yield from ((file, CACHE / file.relative_to(cache)) for file in (cache / "mobilenetv2").iterdir())
    for source in features.IMAGES:
        yield from ((file, DATA / file.relative_to(data)) for file in sorted((data / source).glob("*.parquet")))
        teachers = [study.name.split("/")[2] for study in studies() if study.name.startswith(source)]
        for store in features.stores(source, *dict.fromkeys("+".join(teachers).split("+"))):
            # The manifest comes last: a store that has it is complete.
            files = sorted(store.path.iterdir(), key=lambda file: (file.name == "manifest.json", file.name))
            yield from ((file, CACHE / file.relative_to(cache)) for file in files)


def run(parts: Path, minutes: float, processes: int, *, small: bool) -> None:
    """Train what is missing, with the images and features of the parts that are present."""
    _join(parts)
    import harness

    from aft.comparison import Journal, Scheduler

    chosen = _small() if small else studies()
    path = parts / ("small.jsonl" if small else "trainings.jsonl")
    if not path.exists() and not small:
        names = {study.name for study in chosen}
        known = harness.JOURNAL.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text(
            "".join(line for line in known if any(f'"problem": "{name}"' in line for name in names)), encoding="utf-8"
        )
    journal = Journal(path, made_by=harness.made_by())
    scheduler = Scheduler(journal, limit=60 * minutes, processes=1 if small else processes)
    complete = scheduler.run([study for study in chosen if _present(study.name)])
    print(f"{scheduler.trained} trainings; {len(complete)} of {len(chosen)} comparisons are complete; {path}")


def _join(parts: Path) -> None:
    """Let the scripts find what lies in the parts. A file has one copy, under two names."""
    whole = parts.absolute() / "whole"
    for part in sorted(parts.glob("part-*")):
        for file in (found for found in part.rglob("*") if found.is_file()):
            target = whole / file.relative_to(part)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)
    os.environ.update(AFT_DATA=str(whole / DATA), AFT_CACHE=str(whole / CACHE))
    sys.path.append(str(whole / PACKAGES))  # other processes are told


def _present(name: str) -> bool:
    """Whether the images and the features of a study are here."""
    import features

    source, _, teachers, *_ = name.split("/")
    data = Path(os.environ["AFT_DATA"]) / source
    stores = [features.folder(source) / teacher / "manifest.json" for teacher in teachers.split("+")]
    return all(path.exists() for path in (data / "train.parquet", data / "test.parquet", *stores))


def studies() -> list[Any]:
    """Every method with MobileNetV2 at 96 pixels; better teachers and two of them with fewer methods."""
    import better_than_alternatives as alternatives
    import tasks

    return [
        *(
            tasks.make_study(task, "mobilenet96", alternatives.METHODS, seeds=5, variation=variation)
            for variation in alternatives.BOTH
            for task in ("cifar10", "caltech101")
        ),
        *(
            tasks.make_study("caltech101", "mobilenet96", alternatives.FEW, teachers=teachers, variation=tasks.TENTH)
            for teachers in (("lite0",), ("lite1",), ("lite0", "lite2"))
        ),
    ]


def _small() -> list[Any]:
    import tasks

    from aft.training import SearchSpace

    study = tasks.make_study("cifar10", "mobilenet", ("aft",), seeds=1, variation=tasks.TENTH)
    study.space = SearchSpace(1e-3, 0.01, 2, 2, fixed_lr=True, beta=1.0)
    return [study]


def merge(trainings: Path) -> None:
    """Add trainings to the journal, and write the result of the comparisons that are complete."""
    import better_than_alternatives
    import harness

    from aft.comparison import Journal
    from aft.core import append_jsonl, read_jsonl

    names, known = {study.name for study in studies()}, {key for key, _ in Journal(harness.JOURNAL).items()}
    for row in read_jsonl(trainings):
        if row["problem"] in names and row["key"] not in known:
            append_jsonl(harness.JOURNAL, row)
    begun = {finished.spec.problem for _, finished in Journal(harness.JOURNAL).items()}
    chosen = [study for study in studies() if study.name in begun]
    if not chosen:
        raise SystemExit(f"the result needs trainings of these comparisons; {trainings} has none; run them first")
    result = harness.run(CLAIM, chosen, argparse.Namespace(minutes=0, students=None, processes=1))
    result["missing"] += [study.name for study in studies() if study.name not in begun]
    result["complete"] = not result["missing"]
    harness.write("images_on_a_gpu", {**result, **better_than_alternatives.averages(result["_studies"])})


if __name__ == "__main__":
    main()
