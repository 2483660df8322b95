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


CLAIMS = (
    "better_than_alternatives",
    "better_teachers_better_students",
    "teachers_complement",
    "fifty_times_smaller",
    "scarce_labels",
)
#: What a claim finds beside its rows; shown as it is.
FINDINGS = ("relation", "pairs", "cost")


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    for name in CLAIMS:
        path = RESULTS / f"{name}.json"
        if path.exists():
            parts.append(_claim(name, json.loads(path.read_text(encoding="utf-8"))))
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _claim(name: str, result: dict[str, Any]) -> str:
    done = list(
        dict.fromkeys((row["task"], row["student"], row["teachers"], row["variation"]) for row in result["rows"])
    )
    total = len(done) + len(result["missing"])
    lines = [f"## {result['claim']}", ""]
    state = "All of it has run." if result["complete"] else (
        f"**Not finished**: {len(done)} of {total} comparisons have run so far; what follows is of these alone and may well turn when "
        "the rest has."
    )  # fmt: skip
    lines += [f"`benchmarks/claims/{name}.py`, {result['seeds']} seeds. {state}", ""]
    averaged = result.get("normalised_error", {})
    if averaged and all("mean" in found for found in averaged.values()):
        lines += ["| method | normalised error | 95 % interval | against fine-tuning |", "| --- | --- | --- | --- |"]
        for method, found in sorted(averaged.items(), key=lambda item: item[1]["mean"]):
            verdict = "noise" if found["low"] <= 1 <= found["high"] else "better" if found["mean"] < 1 else "worse"
            verdict = "" if method == "finetune" else verdict
            lines.append(f"| {method} | {found['mean']:.3f} | {found['low']:.3f} to {found['high']:.3f} | {verdict} |")
        lines.append("")
    for finding in FINDINGS:
        if finding in result:
            lines += ["```json", json.dumps({finding: result[finding]}, indent=1), "```", ""]
    for place in done:
        rows = [
            row for row in result["rows"] if (row["task"], row["student"], row["teachers"], row["variation"]) == place
        ]
        lines += [f"### {', '.join(part for part in place if part)}", ""]
        lines += ["| method | error | against fine-tuning | gap closed | strength |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(row, place[0] == "rating") for row in rows]
        lines.append("")
    return "\n".join(lines)


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
    gap = "-" if row["gap_closed"] is None else f"{round(100 * row['gap_closed'])} %"
    strength = f"{choice['form']} {choice['beta']:g}" if choice["beta"] else "-"
    return (
        f"| {row['method']} | {shown(row['error'])}{unit} ± {shown(row['spread'])} | {against} | {gap} | {strength} |"
    )


if __name__ == "__main__":
    main()
