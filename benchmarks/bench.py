"""Every performance target beside what is measured, in one table; or two such measurements beside each other.

``bench.py`` runs the scripts that measure a target, one after the other and alone, prints a row for each target with whether it is met,
and writes the rows to a JSON file. ``bench.py --compare A B`` says what became slower between two files, and ``bench.py --page A`` puts
the rows of one into ``docs/explanation/performance.md``. The last line is one JSON object.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from aft.core import cores

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "explanation" / "performance.md"
#: A change of less than this is noise between two runs on one machine.
NOISE = 0.1


class Target(NamedTuple):
    """A row of the table.

    Attributes:
        name: Its name.
        against: What the ratio is taken against.
        script: The script that measures it, with its arguments.
        read: Takes the value from the script's last line.
        limit: The target.
        at_least: Whether a value is better when it is higher.
        unit: Unit of the value.
    """

    name: str
    against: str
    script: tuple[str, ...]
    read: Callable[[dict[str, Any]], float]
    limit: float
    at_least: bool = False
    unit: str = "x"

    def met(self, value: float) -> bool:
        """Whether a value reaches the target."""
        return value >= self.limit if self.at_least else value <= self.limit


def _objective(size: int, read: Callable[[dict[str, Any]], float]) -> Callable[[dict[str, Any]], float]:
    return lambda result: read(next(row for row in result["rows"] if row["batch"] == size))


def _student(name: str, read: Callable[[dict[str, Any]], float]) -> Callable[[dict[str, Any]], float]:
    return lambda result: read(next(row for row in result["rows"] if row["student"].startswith(name)))


def _teacher(name: str, read: Callable[[dict[str, Any]], float]) -> Callable[[dict[str, Any]], float]:
    return lambda result: read(result["teachers"][name])


def _waiting(name: str) -> Callable[[dict[str, Any]], float]:
    return lambda result: 100 * float(result["waiting"][name])


OBJECTIVE, STEP, GATHER, EXTRACTION = ("objective.py",), ("step.py",), ("gather.py",), ("extraction.py",)
TARGETS = (
    Target("objective, B = 128, d = 384, D = 2,560: times as fast", "the formula through autograd", OBJECTIVE,
           _objective(128, lambda row: row["times_as_fast"]), 1.5, at_least=True),
    Target("objective, B = 128: peak memory", "the formula through autograd", OBJECTIVE,
           _objective(128, lambda row: row["mb"]["aft"] / row["mb"]["plain"]), 1),
    Target("objective, B = 8,192: times as fast", "the formula through autograd", OBJECTIVE,
           _objective(8192, lambda row: row["times_as_fast"]), 4, at_least=True),
    Target("objective, B = 8,192: peak memory", "the formula through autograd", OBJECTIVE,
           _objective(8192, lambda row: row["mb"]["aft"] / row["mb"]["plain"]), 0.1),
    Target("step of the default method, token table", "fine-tuning", STEP,
           _student("aft:static", lambda row: row["of_finetune"]["default"]), 1.15),
    Target("step of the default method, transformer", "fine-tuning", STEP,
           _student("aft:transformer", lambda row: row["of_finetune"]["default"]), 1.02),
    Target("step through Lightning, token table", "a bare loop of the same operations", STEP,
           _student("aft:static", lambda row: row["finetune_of_bare"]), 1.1),
    Target("gather of 256 rows of 1 M x 1,024, verified", "NumPy's fancy indexing", GATHER, lambda result: result["ratio"], 1.25),
    *(
        Target(f"extraction to committed shards, {title}", "the forward passes", EXTRACTION, _teacher(name, lambda row: 1 / row["ratio"]), limit,
               at_least=True)
        for name, title, limit in (("minilm", "MiniLM", 0.98), ("mpnet", "mpnet", 0.98), ("lite0", "EfficientNet-Lite0, JPEG files", 0.95))
    ),
    Target("extraction in order of length", "the given order, padded", EXTRACTION, _teacher("minilm", lambda row: row["by_length"]), 1.5,
           at_least=True),
    *(
        Target(f"waiting for data, augmented JPEG files, {title}", "the whole training", ("waiting.py",), _waiting(name), limit, unit="%")
        for name, title, limit in (("clean, 0 workers", "no workers", 8), ("clean, 2 workers", "two workers", 3))
    ),
    Target("comparison of 3 methods, 3 seeds each", "the trainings alone", ("comparison.py",), lambda result: result["ratio"], 1.05),
    Target("linear probe, 10,000 x 768, 10 classes: times as fast", "scikit-learn, same folds and penalties", ("probe.py",),
           lambda result: result["beside_scikit_learn"]["times_as_fast"], 5, at_least=True),
    Target("LogME, 15,000 x 768, 10 classes: times as fast", "the published NumPy form", ("logme.py",),
           lambda result: result["times_as_fast"], 3, at_least=True),
    Target("LogME: difference of the score", "the published NumPy form", ("logme.py",), lambda result: result["difference"], 1e-6, unit=""),
    Target("aft --help", "", ("startup.py",), lambda result: result["help_seconds"], 0.3, unit="s"),
    Target("import aft", "bare Python", ("startup.py",), lambda result: result["import_aft_seconds"], 0.2, unit="s more"),
    Target("opening a store of 10 M rows of 768", "", ("opening.py",), lambda result: 1000 * result["seconds"], 50, unit="ms"),
    Target("memory of planning a table, a row", "", ("scaling.py", "--dim", "8", "--rows", "4000000"),
           lambda result: result["rates"]["planning_memory_per_row"], 64, unit="bytes"),
    Target("memory of a machine's other rank, 300,000 rows instead of 10,000", "", ("ranks.py",),
           lambda result: result["more_mb_in_the_other"], 1, unit="MB more"),
    Target("memory of training on 1 M texts instead of 10,000", "", ("dataset_memory.py",), lambda result: result["difference_mb"], 300,
           unit="MB more"),
    Target("memory of training with 2 M instead of 20,000 stored rows", "", ("memory.py",), lambda result: result["difference_mb"], 300,
           unit="MB more"),
)  # fmt: skip


def run(only: str, out: Path) -> int:
    """Measure the targets whose name contains a word, and write the rows."""
    chosen = [target for target in TARGETS if only in target.name]
    results: dict[tuple[str, ...], dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    started = time.monotonic()
    print(f"{'target':62}{'measured':>12}{'target':>12}  met")
    for target in chosen:
        if target.script not in results:
            results[target.script] = _last_line(target.script)
        value = target.read(results[target.script])
        row = {"name": target.name, "against": target.against, "value": value, "limit": target.limit,
               "at_least": target.at_least, "unit": target.unit, "met": target.met(value), "script": " ".join(target.script)}  # fmt: skip
        rows.append(row)
        sign = ">=" if target.at_least else "<="
        print(
            f"{target.name:62}{_shown(value, target.unit):>12}{sign + ' ' + _shown(target.limit, target.unit):>12}  "
            + ("yes" if row["met"] else "no"),
            flush=True,
        )
    machine = {"processor": platform.processor() or platform.machine(), "cores": cores(), "torch": torch.__version__}
    result = {
        "benchmark": "bench",
        "machine": machine,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "met": sum(row["met"] for row in rows),
        "of": len(rows),
        "rows": rows,
    }
    out.write_text(json.dumps(result | {"results": {" ".join(key): value for key, value in results.items()}}, indent=1))
    print(json.dumps(result))
    return 0


def compare(first: Path, second: Path) -> int:
    """Say what became slower; the exit status is 1 if something did."""
    before, after = (
        {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]} for path in (first, second)
    )
    slower = []
    for name, row in after.items():
        if name not in before or not before[name]["value"] or row["limit"] < 1e-3:
            continue
        change = row["value"] / before[name]["value"]
        worse = 1 / change if row["at_least"] else change
        word = "slower" if worse > 1 + NOISE else "faster" if worse < 1 - NOISE else ""
        slower += [name] if word == "slower" else []
        print(
            f"{name:62}{_shown(before[name]['value'], row['unit']):>12}{_shown(row['value'], row['unit']):>12}  {word}"
        )
    print(json.dumps({"benchmark": "bench-compare", "slower": slower}))
    return 1 if slower else 0


def page(measured: Path) -> int:
    """Put the rows of a measurement into the page on performance."""
    rows = json.loads(measured.read_text(encoding="utf-8"))["rows"]
    table = ["| what | against | measured | target | met |", "| --- | --- | --- | --- | --- |"]
    table += [
        f"| {row['name']} | {row['against']} | {_shown(row['value'], row['unit'])} | "
        f"{'at least' if row['at_least'] else 'at most'} {_shown(row['limit'], row['unit'])} | {'yes' if row['met'] else '**no**'} |"
        for row in rows
    ]
    put_table("bench", table)
    print(json.dumps({"benchmark": "bench-page", "rows": len(rows)}))
    return 0


def put_table(name: str, table: Sequence[str]) -> None:
    """Put the lines of a table between the marks of that name in the page on performance."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(start)
    PAGE.write_text("\n".join([before + start, *table, end]) + rest.partition(end)[2], encoding="utf-8")


def _last_line(script: tuple[str, ...]) -> dict[str, Any]:
    """Run a script alone and read its last line."""
    command = [sys.executable, str(HERE / script[0]), *script[1:]]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _shown(value: float, unit: str) -> str:
    return f"{value:.3g}" + (unit if unit == "x" else f" {unit.split()[0]}" if unit else "")


def main() -> int:
    """Run or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="run the targets whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"))
    parser.add_argument("--page", type=Path, metavar="A")
    arguments = parser.parse_args()
    if arguments.page:
        return page(arguments.page)
    return compare(*arguments.compare) if arguments.compare else run(arguments.only, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
