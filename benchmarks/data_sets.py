"""Every dataset at hand, by one command each: what a small student reaches, beside fine-tuning, baselines and the teacher's probe.

The sets are those of the folder that ``AFT_DATA`` names. Each is one ``aft compare NAME``: the teachers are MiniLM for texts and
EfficientNet-Lite0 for images, and three seeds are trained. Texts are compared at the default settings, which search the strength; sets of
images have a learning rate, a strength and steps of their own, since a search of these students takes hours of two cores. Finished
comparisons are kept in the folder that is given, so an interrupted script resumes. ``--write`` puts the table into
docs/how-to/data-by-name.md. The last line is one JSON object.
"""

import argparse
import json
import math
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aft
from aft.demo import minilm_folder
from aft.errors import RunError

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "data-by-name.md"
TEXT, IMAGE = "aft:ngrams", "timm:resnet10t,image_size=32,weights=random"
LITE0 = "python:aft.demo:lite0"
#: The student and teachers of each set, and further options.
SETS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    **dict.fromkeys(("trec", "sst2", "cola", "mrpc", "stsb", "imdb"), (TEXT, ("minilm",), ("--leakage", "drop"))),
    "caltech101": (
        "python:aft.demo:mobilenetv2_64",
        (LITE0,),
        ("--leakage", "drop", "--lr", "3e-4", "--beta", "1", "--weighting", "balanced", "--steps", "600"),
    ),
    "cifar10": (
        IMAGE,
        (LITE0,),
        ("--leakage", "drop", "--lr", "1e-3", "--beta", "3", "--weighting", "balanced", "--steps", "600"),
    ),
    "flickr8k-matching": (
        "python:aft.demo:mobilenetv2_64,reads=image*minilm,keep_layers=2,max_length=32,vocabulary=4000",
        (f"{LITE0},reads=image", "minilm"),
        ("--leakage", "drop", "--lr", "3e-4", "--beta", "1", "--weighting", "balanced", "--steps", "300"),
    ),
}


def command(name: str, out: Path) -> list[str]:
    """The command that compares the methods on a set."""
    student, teachers, options = SETS[name]
    local = f"hf:{minilm_folder()}"
    words = ["aft", "compare", name, "--student", student.replace("minilm", local)]
    for teacher in teachers:
        words += ["--teacher", f"minilm={local}" if teacher == "minilm" else f"lite0={teacher}"]
    words += ["--stores", str(out / "features" / name), "--methods", "finetune,aft+probe-kd", "--seeds", "3"]
    return [*words, *options, "--out", str(out / name)]


def row(name: str, comparison: aft.Comparison) -> dict[str, Any]:
    """What the table says of a comparison."""
    result = comparison.result
    methods = {method.method: method for method in result.methods}
    free = [one for one in result.baselines if "distilled" not in one.name]
    best = min(free, key=lambda one: math.inf if one.error is None else one.error, default=None)
    distilled = next((one.error for one in result.baselines if "distilled" in one.name), None)
    return {
        "set": name, "error_name": result.task.error_name, "test": result.task.samples.get("test"),
        "student": SETS[name][0], "parameters": result.student.parameters, "best_baseline": None if best is None else best.name,
        "best_baseline_error": None if best is None else best.error, "distilled": distilled,
        "finetune": methods["finetune"].mean, "default": methods["aft+probe-kd"].mean, "probe": result.probe.error,
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""

    def shown(value: float | None, kind: str) -> str:
        return "" if value is None else f"{value:.3f}" if kind == "rmse" else f"{100 * value:.1f} %"

    head = "| set | student | without a teacher | fine-tuned | the default | distilled TF-IDF | teacher's probe |\n"
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- |\n"]
    for one in rows:
        kind = one["error_name"]
        first = f"{one['best_baseline']}, {shown(one['best_baseline_error'], kind)}" if one["best_baseline"] else ""
        cells = [shown(one[key], kind) for key in ("finetune", "default", "distilled", "probe")]
        lines.append(f"| `{one['set']}` | {one['parameters'] / 1e6:.1f} M | {first} | {' | '.join(cells)} |\n")
    return "".join(lines)


def main() -> None:
    """Run the comparisons that are missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder of features and comparisons")
    parser.add_argument("sets", nargs="*", default=list(SETS), help="names of sets; all by default")
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    arguments = parser.parse_args()
    seconds = {}
    for name in arguments.sets:
        words = command(name, arguments.out)
        print(shlex.join(words), file=sys.stderr)
        start = time.monotonic()
        subprocess.run([str(Path(sys.executable).parent / words[0]), *words[1:]], check=True, stdout=sys.stderr)
        seconds[name] = round(time.monotonic() - start, 1)
    rows = []
    for name in SETS:
        try:
            rows.append(row(name, aft.Comparison.open(arguments.out / name)))
        except RunError:
            continue  # not compared yet
    if arguments.write:
        text = PAGE.read_text(encoding="utf-8")
        made = f"<!-- datasets -->\n{table(rows)}<!-- /datasets -->"
        PAGE.write_text(re.sub(r"<!-- datasets -->.*<!-- /datasets -->", lambda _: made, text, flags=re.DOTALL))
    print(table(rows))
    print(json.dumps({"rows": rows, "seconds": seconds}))


if __name__ == "__main__":
    main()
