"""Write docs/results.md from benchmarks/results/*.json: nothing on that page is typed by hand but this frame."""

import json
from pathlib import Path
from typing import Any

from harness import RESULTS

PAGE = Path(__file__).parent.parent.parent / "docs" / "results.md"
HEAD = """# Results

The claims of the paper, tried on real data with the models that the package registries carry; `make claims` runs what is not there yet and writes this
page. Tasks, students and budgets are in `benchmarks/claims/tasks.py`, committed before the runs; every training is a row of
`benchmarks/results/trainings.jsonl`. Every method had six trainings for its choices, on validation data and with another seed than those compared:
[how](comparison.md). A normalised error is an error over fine-tuning's, below 1 is better; intervals are 95 %, by a paired bootstrap over seeds and test
samples, tasks fixed. Methods joined by `+` are extensions beyond the paper.
"""


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    for name in ("better_than_alternatives",):
        path = RESULTS / f"{name}.json"
        if path.exists():
            parts.append(_claim(name, json.loads(path.read_text(encoding="utf-8"))))
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _claim(name: str, result: dict[str, Any]) -> str:
    done = sorted({(row["task"], row["student"]) for row in result["rows"]})
    total = len(done) + len(result["missing"])
    lines = [f"## {result['claim']}", ""]
    state = "All of it has run." if result["complete"] else (
        f"**Not finished**: {len(done)} of {total} pairs of task and student have run so far; what follows is of these alone "
        "and may well turn when the rest has."
    )  # fmt: skip
    lines += [f"`benchmarks/claims/{name}.py`, {result['seeds']} seeds. {state}", ""]
    lines += ["| method | normalised error | 95 % interval | against fine-tuning |", "| --- | --- | --- | --- |"]
    for method, found in sorted(result["normalised_error"].items(), key=lambda item: item[1]["mean"]):
        verdict = (
            ""
            if method == "finetune"
            else "noise"
            if found["low"] <= 1 <= found["high"]
            else "better"
            if found["mean"] < 1
            else "worse"
        )
        lines.append(f"| {method} | {found['mean']:.3f} | {found['low']:.3f} to {found['high']:.3f} | {verdict} |")
    for task, student in done:
        rows = [row for row in result["rows"] if (row["task"], row["student"]) == (task, student)]
        regression = task == "rating"
        lines += [
            "",
            f"### {task}, {student}",
            "",
            "| method | error | against fine-tuning | gap closed | strength |",
            "| --- | --- | --- | --- | --- |",
        ]
        for row in rows:
            lines.append(_row(row, regression))
    return "\n".join(lines) + "\n"


def _row(row: dict[str, Any], regression: bool) -> str:
    def shown(value: float, sign: str = "") -> str:
        return f"{value:{sign}.3f}" if regression else f"{100 * value:{sign}.1f}"

    unit = "" if regression else " %"
    if row["error"] is None or "difference" not in row:
        return f"| {row['method']} | {'-' if row['error'] is None else shown(row['error']) + unit} | | | |"
    found, choice = row["difference"], row["choice"]
    against = (
        ""
        if row["method"] == "finetune"
        else f"{shown(found['mean'], '+')} ({shown(found['low'], '+')} to {shown(found['high'], '+')})"
    )
    gap = "-" if row["gap_closed"] is None else f"{100 * row['gap_closed']:.0f} %"
    strength = f"{choice['form']} {choice['beta']:g}" if choice["beta"] else "-"
    return (
        f"| {row['method']} | {shown(row['error'])}{unit} ± {shown(row['spread'])} | {against} | {gap} | {strength} |"
    )


if __name__ == "__main__":
    main()
