"""Write docs/results.md and its figures from benchmarks/results/*.json: nothing on that page is typed by hand but this frame."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import figures
from harness import RESULTS

from aft.reporting import svg

DOCS = Path(__file__).parent.parent.parent / "docs"
HEAD = """# Results

The claims of the paper, tried on real data with the models that the package registries carry. `make claims` runs what is not there yet and writes this
page. Tasks, students and budgets are in `benchmarks/claims/tasks.py`, committed before the runs; every training is a row of
`benchmarks/results/trainings.jsonl`, with a hash of the code that made it. Every method had six trainings for its choices, on validation data and with
another seed than those compared: [how](comparison.md). A normalised error is an error over fine-tuning's, below 1 is better; intervals are 95 %, by a
paired bootstrap over seeds and test samples, tasks fixed. Methods joined by `+`, and those with an `@`, are extensions beyond the paper.
"""

Row = dict[str, Any]
Lines = list[str]


def main() -> None:
    """Write the page."""
    (DOCS / "figures").mkdir(exist_ok=True)
    parts = [HEAD]
    for name, describe in CLAIMS.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            figure = figures.FIGURES[name](result)
            if figure is not None:
                (DOCS / "figures" / f"{name}.svg").write_text(svg(figure), encoding="utf-8")
            parts.append("\n".join([*_start(name, result, figure is not None), *describe(result), *_details(result)]))
    (DOCS / "results.md").write_text("\n".join(parts), encoding="utf-8")


def _start(name: str, result: Row, drawn: bool) -> Lines:
    done, missing = len(_places(result)), len(result["missing"])
    state = "" if result["complete"] else (
        f" **Not finished**: {done} of {done + missing} comparisons have run so far; what follows is of these alone and may turn when the rest has."
    )  # fmt: skip
    seeds = f", {result['seeds']} seeds" if result["seeds"] else ""
    lines = [
        f"## Claim: {result['claim'][0].lower() if not result['claim'].startswith('AFT') else 'A'}{result['claim'][1:].removesuffix('.')}",
        "",
        f"`benchmarks/claims/{name}.py`{seeds}.{state}",
        "",
    ]
    return [*lines, f"![{result['claim']} The numbers are in the tables.](figures/{name}.svg)", ""] if drawn else lines


def _normalised(result: Row) -> Lines:
    lines = table("method", "normalised error", "95 % interval", "against fine-tuning", "validation loss ratio")
    for method, found in sorted(result["normalised_error"].items(), key=lambda item: item[1]["mean"]):
        verdict = "noise" if found["low"] <= 1 <= found["high"] else "better" if found["mean"] < 1 else "worse"
        loss = result["validation_loss_ratio"].get(method)
        lines.append(
            f"| {method} | {found['mean']:.3f} | {found['low']:.3f} to {found['high']:.3f} | {'' if method == 'finetune' else verdict} | "
            f"{'' if loss is None else f'{loss:.3f}'} |"
        )
    best = next(iter(result["validation_loss_ratio"]))
    aft = result["normalised_error"]["aft"]
    below = [name for name, found in result["normalised_error"].items() if found["mean"] < aft["mean"]]
    return [
        f"**Outcome:** AFT's error is {aft['mean']:.3f} of fine-tuning's ({aft['low']:.3f} to {aft['high']:.3f}), "
        f"{'noise' if aft['low'] <= 1 <= aft['high'] else 'better' if aft['mean'] < 1 else 'worse'}. "
        f"{f'Lower than that of AFT are {_listed(below)}.' if below else 'No other is lower.'}", "",
        *lines, "", f"Averaged over {result['normalised_error']['finetune']['studies']} pairs of task and student. The last column is the lowest "
        f"validation loss of a method's six trials over fine-tuning's, 1 where it did not beat it, as a geometric mean; the lowest is that of `{best}`.", "",
    ]  # fmt: skip


def _relation(result: Row) -> Lines:
    all_found = [found for methods in result["relation"].values() for found in methods.values() if found is not None]
    rising = sum(found["slope"] > 0 for found in all_found)
    lines = table("task, student", "method", "teachers", "correlation", "slope")
    for place, methods in result["relation"].items():
        for method, found in methods.items():
            if found is not None:
                lines.append(
                    f"| {place.replace('/', ', ')} | {method} | {found['teachers']} | {found['correlation']:.2f} | {found['slope']:.2f} |"
                )
    said = f"**Outcome:** the better the teacher, the better the student in {rising} of {len(all_found)} families and methods."
    return [said, "", *lines, "", "Correlation of the student's error with the error of a linear probe on its teacher, and the slope of the one in the other: above 0, better teachers give better students.", ""]  # fmt: skip


def _pairs(result: Row) -> Lines:
    lines = table("task, student", "teachers", "method", "better single one", "both less that one, points")
    for pair in result["pairs"]:
        for method, found in pair["methods"].items():
            difference = found["difference"]
            shown = " ".join(f"{100 * difference[key]:+.1f}" for key in ("mean",))
            lines.append(
                f"| {pair['task']}, {pair['student']} | {' + '.join(pair['pair'])} | {method} | {found['best_single']} | "
                f"{shown} ({100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}) |"
            )
    found = [one["difference"] for pair in result["pairs"] for one in pair["methods"].values()]
    better, worse = sum(one["high"] < 0 for one in found), sum(one["low"] > 0 for one in found)
    said = f"**Outcome:** of {len(found)} pairs and methods, two teachers are better than the better one of them in {better}, worse in {worse}, and the rest is noise."
    return [said, "", *lines, "", "The single teacher is the one whose student did best on validation data.", ""]


def _cost(result: Row) -> Lines:
    cost = result["cost"]
    return [
        f"{cost['student_parameters']:,} parameters against {cost['teacher_parameters']:,} ({cost['size_ratio']:.0f} times fewer); "
        f"{cost['student_ms']:.2f} ms a sentence on one thread against {cost['teacher_ms']:.1f} ms ({cost['latency_ratio']:.0f} times quicker), in turns in one process.",
        "",
    ]  # fmt: skip


def _scarce(result: Row) -> Lines:
    methods = list(dict.fromkeys(method for found in result["normalised_error"].values() for method in found))
    places = sorted(result["normalised_error"], key=lambda name: (int(name.split("/")[0]), name))
    heads = [f"{name.split('/')[0]}{' +' if name.endswith('unlabelled') else ''}" for name in places]
    lines = table("method", *heads)
    rows = {(row["variation"], row["method"]): row for row in result["rows"]}
    for method in ["probe", *methods]:
        cells = [rows.get((name, method)) for name in places]
        shown = ["" if row is None or row["error"] is None else f"{100 * row['error']:.1f}" for row in cells]
        lines.append(f"| {method} | {' | '.join(shown)} |")
    return [*lines, "", "Error in percent by the number of labelled sentences; + with the rest of the sentences as samples without a label.", ""]  # fmt: skip


def _overhead(result: Row) -> Lines:
    lines = table(
        "task, student", "method", "ms a step", "over fine-tuning", "lowest to highest", "memory, MB", "more, MB"
    )
    lines += [
        f"| {row['task']}, {row['student']} | {row['method']} | {row['milliseconds']:,.1f} | {row['ratio']:,.2f} x | {row['low']:,.2f} to {row['high']:,.2f} | "
        f"{row['megabytes']:,} | {row['more_megabytes']:+,} |"
        for row in result["rows"]
    ]  # fmt: skip
    return [*lines, "", "One thread, reading of features and optimiser included; medians over rounds in which the methods take turns, each in a process of its own; memory is the process's largest.", ""]  # fmt: skip


def _transforms(result: Row) -> Lines:
    options = list(dict.fromkeys(row["option"] for row in result["rows"]))
    lines = table("method", *options)
    found = {(row["method"], row["option"]): row["loss_ratio"] for row in result["rows"]}
    for method in dict.fromkeys(row["method"] for row in result["rows"]):
        cells = [f"{found[method, option]:.3f}" if (method, option) in found else "" for option in options]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return [*lines, "", "Lowest validation loss of six trials over that of fine-tuning's six, geometric mean over the comparisons. No test data was looked at.", ""]  # fmt: skip


def _details(result: Row) -> Lines:
    places = _places(result)
    if not places:
        return []
    lines = ["??? note \"Every comparison\"", ""]  # fmt: skip
    for place in places:
        rows = [row for row in result["rows"] if _place(row) == place]
        lines += [f"    **{', '.join(part for part in place if part)}**", ""]
        lines += [f"    {line}" for line in table("method", "error", "vs fine-tuning", "gap closed", "beta")]
        lines += [f"    {_row(row, place[0] == 'rating')}" for row in rows] + [""]
    return lines


def _places(result: Row) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(_place(row) for row in result["rows"] if "variation" in row))


def _place(row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(key, "")) for key in ("task", "student", "teachers", "variation"))


def _row(row: Row, regression: bool) -> str:
    def shown(value: float, sign: str = "") -> str:
        return f"{value:{sign}.3f}" if regression else f"{100 * value:{sign}.1f}"

    unit = "" if regression else " %"
    if "spread" not in row:
        return f"| {row['method']} | {'-' if row['error'] is None else shown(row['error']) + unit} | | | |"
    found = row["difference"]
    against = (
        ""
        if found is None
        else f"{shown(found['mean'], '+')} ({shown(found['low'], '+')} to {shown(found['high'], '+')})"
    )
    gap = "-" if row["gap_closed"] is None else f"{round(100 * row['gap_closed'])} %"
    beta = f"{row['weighting']} {row['beta']:g}" if row["beta"] else "-"
    return f"| {row['method']} | {shown(row['error'])}{unit} ± {shown(row['spread'])} | {against} | {gap} | {beta} |"


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def table(*heads: str) -> Lines:
    """The first two lines of a table."""
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]


def _default(result: Row) -> Lines:
    columns = ("validation_loss_ratio", "labelled_alone", "with_unlabelled")
    lines = table(
        "method", f"all {result['studies']} comparisons", "labelled samples alone", "with samples without a label"
    )
    for method in result["validation_loss_ratio"]:
        lines.append(f"| {method} | {' | '.join(f'{result[column][method]:.3f}' for column in columns)} |")
    return [
        f"**Outcome:** over all comparisons in which every method took part the lowest validation loss is that of `{result['best']}`; the default of "
        f"`aft train` is `{result['default']}`.", "",
        *lines, "", "Lowest validation loss of a method's six trials over that of fine-tuning's six, 1 where it did not beat it, geometric mean. No test data was looked at.", "",
    ]  # fmt: skip


CLAIMS: dict[str, Callable[[Row], Sequence[str]]] = {
    "better_than_alternatives": _normalised,
    "better_teachers_better_students": _relation,
    "teachers_complement": _pairs,
    "fifty_times_smaller": _cost,
    "little_overhead": _overhead,
    "scarce_labels": _scarce,
    "default_method": _default,
    "transforms": _transforms,
}


if __name__ == "__main__":
    main()
