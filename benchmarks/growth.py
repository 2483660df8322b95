"""How costs grow with samples, teacher width, batch, teachers and views, beside what their best algorithm needs.

Each cost is measured at four sizes, and is the smallest of several repetitions. Its exponent is the slope of a line through the
logarithms: 0 does not grow, 1 is in proportion. The last line is one JSON object; ``--page FILE`` puts such a line into
``docs/explanation/performance.md``, and draws its figure.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import aft
from aft.data import Dataset
from aft.features import FeatureStore
from aft.objectives import AFT
from aft.training import HParams, Problem, TrainConfig, fit
from bench import PAGE, put_table

WIDTH, BATCH, WORDS = 64, 256, 500


class Growth(NamedTuple):
    """A cost that is measured.

    Attributes:
        what: What costs.
        axis: What grows.
        sizes: The sizes.
        expected: The exponent of the best algorithm.
        make: Prepares a size in a folder, and gives what is timed; where that returns a number, it is the seconds.
        curve: Name of its curve in the figure, which tells six apart; none where it is empty.
    """

    what: str
    axis: str
    sizes: tuple[int, ...]
    expected: float
    make: Callable[[int, Path], Callable[[], Any]]
    curve: str = ""


def letters() -> tuple[torch.nn.Module, Callable[[str], torch.Tensor]]:
    """A teacher that costs little, so that extraction's own work shows: a linear map of counts of characters."""

    def counts(text: str) -> torch.Tensor:
        found = np.bincount(np.frombuffer(text.encode()[:400], dtype=np.uint8), minlength=128)[:128]
        return torch.from_numpy(found.astype(np.float32))

    torch.manual_seed(0)
    return torch.nn.Linear(128, WIDTH), counts


def texts(count: int) -> Dataset:
    """Texts of ten random words, in two classes."""
    words = np.random.default_rng(0).integers(WORDS, size=(count, 10))
    return Dataset.from_arrays(
        [" ".join(f"word{word}" for word in row) for row in words.tolist()],
        ["even" if row[0] % 2 == 0 else "odd" for row in words.tolist()],
        ids=[f"text-{number}" for number in range(count)],
    )


def store(rows: int, width: int, folder: Path, name: str = "t") -> FeatureStore:
    """A store of random features for `texts`."""
    values = np.random.default_rng(len(name)).standard_normal((rows, width), dtype=np.float32).astype(np.float16)
    np.save(folder / f"{name}.npy", values)
    (folder / f"{name}.txt").write_text("".join(f"text-{number}\n" for number in range(rows)), encoding="utf-8")
    return aft.import_features(
        folder / f"{name}.npy", ids=folder / f"{name}.txt", name=name, out=folder / "stores", dtype="float16"
    )


def extraction(rows: int, folder: Path, views: int = 1) -> Callable[[], Any]:
    """Extraction of so many texts, each time into another directory."""
    dataset, numbers = texts(rows), iter(range(100))
    return lambda: aft.extract(
        dataset, "python:growth:letters", name="letters", out=folder / str(next(numbers)), views=views, progress=False
    )


def opening(rows: int, folder: Path) -> Callable[[], Any]:
    """Opening a store of so many rows."""
    path = store(rows, WIDTH, folder).path
    return lambda: FeatureStore.open(path)


def each(run: Callable[[], Any], several: int) -> Callable[[], float]:
    """Seconds of one of several runs."""

    def timed() -> float:
        start = time.perf_counter()
        for _ in range(several):
            run()
        return (time.perf_counter() - start) / several

    return timed


def gather(rows: int, folder: Path) -> Callable[[], Any]:
    """A batch of random rows, verified before."""
    made, generator = store(rows, WIDTH, folder), np.random.default_rng(1)
    return each(lambda: made.take(generator.integers(rows, size=BATCH)), 100)


def step(rows: int, folder: Path) -> Callable[[], Any]:
    """A step of AFT on so many texts."""
    config, steps = TrainConfig(batch_size=64, device="cpu"), 60
    problem = Problem.build(texts(rows), "aft:static", [store(rows, WIDTH, folder)], config)
    return lambda: fit(problem, HParams(1e-3, steps, 0.01, "balanced", 1.0), 0, method="aft").seconds / steps


def objective(batch: int, width: int, teachers: int = 1) -> Callable[[], Any]:
    """The objective's forward and backward pass."""
    generator = torch.Generator().manual_seed(0)
    phi = torch.randn(batch, 384, generator=generator, requires_grad=True)
    psi = {f"t{n}": torch.randn(batch, width, generator=generator) for n in range(teachers)}
    module = AFT(dict.fromkeys(psi, width), 384)
    return each(lambda: module(phi, psi).backward(), max(1, 4096 // batch))


GROWTHS = (
    Growth("extraction", "samples", (2000, 4000, 8000, 16000), 1, extraction, "extraction"),
    Growth("opening a store", "samples", (40_000, 160_000, 640_000, 2_560_000), 0, opening, "opening a store"),
    Growth("reading a batch", "samples", (40_000, 160_000, 640_000, 1_280_000), 0, gather, "reading a batch"),
    Growth("a step of AFT", "samples", (1000, 4000, 16_000, 64_000), 0, step, "a step of AFT"),
    Growth("extraction", "views", (2, 4, 8, 16), 1, lambda views, folder: extraction(1000, folder, views)),
    Growth("the objective, B = 256", "teacher width", (512, 1024, 2048, 4096), 1, lambda width, _: objective(256, width), "objective, width"),
    Growth("the objective, B = 256", "teachers of 512", (1, 2, 4, 8), 1, lambda count, _: objective(256, 512, count)),
    Growth("the objective, D = 4,096", "batch", (128, 256, 512, 1024), 2, lambda batch, _: objective(batch, 4096), "objective, batch"),
    Growth("the objective, D = 256", "batch", (2048, 4096, 8192, 16_384), 1, lambda batch, _: objective(batch, 256)),
)  # fmt: skip


def measured(growth: Growth, repetitions: int) -> dict[str, Any]:
    """Seconds at each size, and the exponent."""
    seconds = []
    for size in growth.sizes:
        with tempfile.TemporaryDirectory() as folder:
            run, found = growth.make(size, Path(folder)), []
            for _ in range(repetitions + 1):
                start = time.perf_counter()
                own = run()
                elapsed = time.perf_counter() - start
                found.append(own if isinstance(own, float) else elapsed)
            seconds.append(min(found[1:]))  # the first one loads what is loaded once
    exponent = float(np.polyfit(np.log(growth.sizes), np.log(seconds), 1)[0])
    return {
        "what": growth.what, "axis": growth.axis, "sizes": list(growth.sizes), "seconds": [float(f"{one:.4g}") for one in seconds],
        "exponent": round(exponent, 2), "expected": growth.expected, "curve": growth.curve,
    }  # fmt: skip


def page(rows: Sequence[dict[str, Any]]) -> None:
    """Put the rows into the page on performance."""
    table = [
        "| cost | grows with | sizes | milliseconds | exponent | best algorithm |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        sizes = ", ".join(f"{size:,}" for size in row["sizes"])
        times = ", ".join(f"{1e3 * one:.3g}" for one in row["seconds"])
        table.append(
            f"| {row['what']} | {row['axis']} | {sizes} | {times} | {row['exponent']:.2f} | {row['expected']:g} |"
        )
    put_table("growth", table)
    (PAGE.parent.parent / "figures" / "growth.svg").write_text(drawn(rows), encoding="utf-8")


def drawn(rows: Sequence[dict[str, Any]]) -> str:
    """Each cost relative to that of its smallest size, on two logarithmic axes, as SVG."""
    from aft.reporting import Figure, styles, svg
    from aft.reporting._figure import Path as Curve
    from aft.reporting._figure import marker
    from aft.reporting._plot import Plot
    from aft.reporting._scale import LogScale

    shown = {row["curve"]: row for row in rows if row["curve"]}
    names = list(shown)
    curves = {
        name: [(size / row["sizes"][0], one / row["seconds"][0]) for size, one in zip(row["sizes"], row["seconds"], strict=True)]
        for name, row in shown.items()
    }  # fmt: skip
    plot, look = Plot(names, 720, 380), styles(names)
    points = [point for curve in curves.values() for point in curve]
    across = LogScale.spanning([x for x, _ in points], plot.left + 8, plot.right - 8)
    up = LogScale.spanning([y for _, y in points], plot.bottom - 6, plot.top + 6)
    ticks = [[(axis(one), f"{one:g}") for one in axis.ticks()] for axis in (across, up)]
    plot.draw_axes(ticks[0], ticks[1], "size, relative to the smallest", "time, relative to the smallest")
    plot.draw_legend(look)
    for name, curve in curves.items():
        places = [(across(x), up(y)) for x, y in curve]
        plot.drawing.add(Curve.through(places, f"curve {look[name].css}"))
        for x, y in places:
            plot.drawing.add(marker(x, y, look[name].shape, look[name].css))
    described = "; ".join(f"{name}: exponent {row['exponent']:.2f}" for name, row in shown.items())
    return svg(Figure("growth", "How costs grow", f"{described}.", plot.drawing))


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--page", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.page:
        rows = json.loads(arguments.page.read_text(encoding="utf-8").splitlines()[-1])["rows"]
        page(rows)
        print(json.dumps({"benchmark": "growth-page", "rows": len(rows)}))
        return
    torch.set_num_threads(1)
    rows = []
    for growth in GROWTHS:
        rows.append(measured(growth, arguments.repetitions))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"benchmark": "growth", "rows": rows}))


if __name__ == "__main__":
    main()
