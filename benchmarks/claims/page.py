"""Write docs/results.md and its figures from benchmarks/results/*.json. Every number on that page comes from there."""

import json
import statistics
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import figures
from harness import RESULTS

from aft.reporting import svg

DOCS = Path(__file__).parent.parent.parent / "docs"
WIDTH = 100
DISTILLED = "TF-IDF, distilled"
HEAD = """# Results

This page tests the claims of the paper on real data, with models that the package registries carry.
`make claims` trains what is missing and regenerates the page.

- **Tasks, students and budgets** are in `benchmarks/claims/tasks.py`, which was committed before
  the runs. The rates and betas of MobileNetV2 and the ResNet were replaced after their first
  results, by what held-out training pictures chose ([log](log.md)).
- **Every training** is a row of `benchmarks/results/trainings.jsonl`, with the version and commit
  that made it.
- **Search.** Every method had at most six trials, on validation data and with a seed that is not
  compared ([a fair comparison](explanation/comparison.md)). Students of images have a learning
  rate, a beta and a number of steps that are given: their search would take ten hours of two cores.
- **Normalised errors** are errors divided by fine-tuning's; below 1 is better.
- **Intervals** are 95 % intervals, from a paired bootstrap over seeds and test samples with the
  tasks fixed.
- **Extensions.** Methods joined by `+`, and options after an `@`, are not part of the paper.
"""

Row = dict[str, Any]
Lines = list[str]


def main() -> None:
    """Write the page and its figures."""
    (DOCS / "figures").mkdir(exist_ok=True)
    parts = [HEAD]
    for name, describe in CLAIMS.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            if not result.get("normalised_error", True):  # no comparison has run to its end yet
                continue
            figure = figures.FIGURES[name](result)
            if figure is not None:
                (DOCS / "figures" / f"{name}.svg").write_text(svg(figure), encoding="utf-8")
            lines = [*_start(name, result, figure is not None), *describe(result), *_details(result)]
            parts.append("\n".join(map(_wrapped, lines)))
    (DOCS / "results.md").write_text("\n".join(parts), encoding="utf-8")


def _wrapped(line: str) -> str:
    """Wrap a paragraph. Headings, tables, images and notes must stay on one line."""
    if line.startswith(("#", "|", "!", "?", " ")):
        return line
    return textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)


def _start(name: str, result: Row, drawn: bool) -> Lines:
    done, missing = len(_studies(result)), len(result["missing"])
    state = "" if result["complete"] else (
        f" **Not finished**: {done} of {done + missing} comparisons have run so far. The numbers below cover only these and may change. "
        f"Missing are {_listed(result['missing'])}."
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
    lines = table(
        "method",
        "error / fine-tuning's",
        "95 % interval",
        "vs fine-tuning",
        "error / best without a teacher",
        "validation loss ratio",
    )
    for method, found in sorted(result["normalised_error"].items(), key=lambda item: item[1]["mean"]):
        verdict = "noise" if found["low"] <= 1 <= found["high"] else "better" if found["mean"] < 1 else "worse"
        loss = result["validation_loss_ratio"].get(method)
        lines.append(
            f"| {method} | {found['mean']:.3f} | {found['low']:.3f} to {found['high']:.3f} | {'' if method == 'finetune' else verdict} | "
            f"{result['against_best_baseline'][method]['mean']:.3f} | {'' if loss is None else f'{loss:.3f}'} |"
        )
    best = next(iter(result["validation_loss_ratio"]))
    aft = result["normalised_error"]["aft"]
    return [
        f"**Outcome:** AFT's error is {aft['mean']:.3f} of fine-tuning's ({aft['low']:.3f} to {aft['high']:.3f}), "
        f"which is {'within noise' if aft['low'] <= 1 <= aft['high'] else 'better' if aft['mean'] < 1 else 'worse'}. "
        f"{_others(result)}{_without_student(result)} {_probes(result)}", "",
        *lines, "", f"Averaged over the {result['normalised_error']['finetune']['studies']} comparisons in which every method took part. The best "
        "result without a teacher is the lowest test error of fine-tuning, TF-IDF with a linear model, a linear probe on the frozen "
        "student, and the constant prediction. The last column is the lowest validation loss of a method's trials divided by "
        f"fine-tuning's, at most 1, as a geometric mean over the comparisons; `{best}` has the lowest.", "",
        *_groups(result),
    ]  # fmt: skip


def _others(result: Row) -> str:
    """What the other methods with a teacher reach, in a sentence."""
    errors = {name: found["mean"] for name, found in result["normalised_error"].items() if name != "finetune"}
    own, lowest, highest = errors.pop("aft"), min(errors.values()), max(errors.values())
    bounds = result["normalised_error"]["aft"]
    apart = [name for name, error in errors.items() if not bounds["low"] <= error <= bounds["high"]]
    reach = f"The other {len(errors)} methods with a teacher have {lowest:.3f} to {highest:.3f}"
    if apart:
        return f"{reach}; outside of AFT's interval are {_listed(apart)}."
    return f"{reach}, all within AFT's interval: it is not shown to be better than {'any of them' if own <= lowest else 'them'}."


def _groups(result: Row) -> Lines:
    groups = result["groups"]
    methods = list(dict.fromkeys(method for group in groups for method in group["against_best_baseline"]))
    lines = table("student", "labels", "tasks", DISTILLED, *methods)
    for group in groups:
        found = [group["against_best_baseline"].get(method) for method in methods]
        cells = [_distilled(result["rows"], group), *("" if one is None else f"{one['mean']:.3f}" for one in found)]
        lines.append(f"| {group['student']} | {_labels(group)} | {group['studies']} | {' | '.join(cells)} |")
    note = (
        "Error divided by the best result without a teacher, by student. Distilled TF-IDF is a linear model fitted to what the teachers' probe "
        "predicts for all samples; no student is part of it."
    )
    return [*lines, "", note, ""]


def _without_student(result: Row) -> str:
    """Where distilled TF-IDF does better than AFT, in a sentence."""
    better = [
        f"{own} against AFT's {group['against_best_baseline']['aft']['mean']:.3f} ({group['student']}, {_labels(group)})"
        for group in result["groups"]
        if (own := _distilled(result["rows"], group)) and float(own) < group["against_best_baseline"]["aft"]["mean"]
    ]
    if not better:
        return ""
    return (
        f" **Distilled TF-IDF, without any student, does better still** in {len(better)} of {len(result['groups'])} groups: relative to "
        f"the best result without a teacher, {', '.join(better)}."
    )


def _probes(result: Row) -> str:
    """How often the teachers' probe needs no student, in a sentence."""
    probes: dict[tuple[str, ...], float] = {}
    students: dict[tuple[str, ...], list[float]] = {}
    for row in result["rows"]:
        comparison = row["task"], row["student"], row["variation"]
        if row["method"] == "probe":
            probes[comparison] = row["error"]
        elif "beta" in row:  # a training, and no baseline
            students.setdefault(comparison, []).append(row["error"])
    better = sum(error < min(students[comparison]) for comparison, error in probes.items())
    return f"The teacher's probe is more accurate than every student in {better} of {len(probes)} comparisons."


def _labels(group: Row) -> str:
    return "10 % of labels, the rest unlabelled" if group["variation"] else "all labels"


def _distilled(rows: Sequence[Row], group: Row) -> str:
    """Error of distilled TF-IDF divided by that of the best baseline, on average over the tasks of a group."""
    own = [row for row in rows if (row["student"], row["variation"]) == (group["student"], group["variation"])]
    best = {row["task"]: row["best_baseline_error"] for row in own if "best_baseline_error" in row}
    ratios = [row["error"] / best[row["task"]] for row in own if row["method"] == DISTILLED]
    return f"{statistics.mean(ratios):.3f}" if ratios else ""


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
    outcome = f"**Outcome:** better teachers give better students in {rising} of {len(all_found)} combinations of family and method."
    note = (
        "Correlation of the student's error with the error of a linear probe on its teacher, and the slope of the student's "
        "error as a function of the probe's. A slope above 0 means that better teachers give better students."
    )
    return [outcome, "", *lines, "", note, ""]


def _pairs(result: Row) -> Lines:
    lines = table("task, student", "teachers", "method", "better single teacher", "difference of both, points")
    for pair in result["pairs"]:
        for method, found in pair["methods"].items():
            difference = found["difference"]
            lines.append(
                f"| {pair['task']}, {pair['student']} | {' + '.join(pair['pair'])} | {method} | {found['best_single']} | "
                f"{100 * difference['mean']:+.1f} ({100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}) |"
            )
    found = [one["difference"] for pair in result["pairs"] for one in pair["methods"].values()]
    better, worse = sum(one["high"] < 0 for one in found), sum(one["low"] > 0 for one in found)
    outcome = (
        f"**Outcome:** of {len(found)} combinations of pair and method, two teachers are better than the better one of them in "
        f"{better}, worse in {worse}, and within noise in {len(found) - better - worse}."
    )
    note = (
        "The better single teacher is the one whose student has the lower test error, which favours it. The last column is the "
        "error with both teachers minus the error with that one."
    )
    return [outcome, "", *lines, "", note, ""]


def _cost(result: Row) -> Lines:
    cost = result["cost"]
    return [
        f"The student has {cost['student_parameters']:,} parameters and the teacher {cost['teacher_parameters']:,} "
        f"({cost['size_ratio']:.0f} times as many). On one thread a sentence takes {cost['student_ms']:.2f} ms and "
        f"{cost['teacher_ms']:.1f} ms ({cost['latency_ratio']:.0f} times as long), measured in turns in one process.",
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
    return [*lines, "", "Error in percent by the number of labelled sentences. With +, all other sentences are unlabelled training samples.", ""]  # fmt: skip


def _overhead(result: Row) -> Lines:
    lines = table(
        "task, student",
        "method",
        "ms per step",
        "relative to fine-tuning",
        "lowest to highest",
        "memory, MB",
        "extra, MB",
    )
    lines += [
        f"| {row['task']}, {row['student']} | {row['method']} | {row['milliseconds']:,.1f} | {row['ratio']:,.2f} x | {row['low']:,.2f} to {row['high']:,.2f} | "
        f"{row['megabytes']:,} | {row['more_megabytes']:+,} |"
        for row in result["rows"]
    ]  # fmt: skip
    note = (
        "Measured on one thread, including reading features and the optimiser. Times are medians over rounds in which the methods "
        "take turns, each in a separate process. Memory is the peak of the process."
    )
    return [*lines, "", note, ""]


def _noise(result: Row) -> Lines:
    lines = table("task", "teachers", "method", "error relative to the teacher alone")
    lines += [
        f"| {row['task']} | {row['teachers'].replace('+', ' + ')} | {row['method']} | {row['ratio']:.3f} |"
        for row in result["ratio"]
        if "+" in row["teachers"]
    ]
    aft = [row["ratio"] for row in result["ratio"] if row["method"] == "aft" and "+" in row["teachers"]]
    others = [row["ratio"] for row in result["ratio"] if row["method"] != "aft" and "+" in row["teachers"]]
    gain = "has no advantage" if max(others) <= max(aft) + 0.02 else "suffers less than others"
    return [
        f"**Outcome:** with random features beside the teacher's, AFT's error is {min(aft):.2f} to {max(aft):.2f} of that without them, and "
        f"that of the other methods {min(others):.2f} to {max(others):.2f}. AFT {gain}.",
        "",
        *lines,
        "",
        "`noise1` has as many random features as the teacher has features, `noise10` ten times as many.",
        "",
    ]


def _details(result: Row) -> Lines:
    studies = _studies(result)
    if not studies:
        return []
    lines = ["??? note \"Every comparison\"", ""]  # fmt: skip
    for study in studies:
        rows = [row for row in result["rows"] if _study(row) == study]
        lines += [f"    **{', '.join(part for part in study if part)}**", ""]
        lines += [f"    {line}" for line in table("method", "error", "vs fine-tuning", "gap closed", "beta")]
        lines += [f"    {_row(row, study[0] == 'rating')}" for row in rows] + [""]
    return lines


def _studies(result: Row) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(_study(row) for row in result["rows"] if "variation" in row))


def _study(row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(key, "")) for key in ("task", "student", "teachers", "variation"))


def _row(row: Row, regression: bool) -> str:
    def shown(value: float, sign: str = "") -> str:
        return f"{value:{sign}.3f}" if regression else f"{100 * value:{sign}.1f}"

    unit = "" if regression else " %"
    if "spread" not in row:
        return f"| {row['method']} | {'-' if row['error'] is None else shown(row['error']) + unit} | | | |"
    difference = row["difference"]
    versus = (
        ""
        if difference is None
        else f"{shown(difference['mean'], '+')} ({shown(difference['low'], '+')} to {shown(difference['high'], '+')})"
    )
    gap = "-" if row["gap_closed"] is None else f"{round(100 * row['gap_closed'])} %"
    beta = f"{row['weighting']} {row['beta']:g}" if row["beta"] else "-"
    return f"| {row['method']} | {shown(row['error'])}{unit} ± {shown(row['spread'])} | {versus} | {gap} | {beta} |"


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def table(*heads: str) -> Lines:
    """Return the header of a table and the line below it."""
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]


def _default(result: Row) -> Lines:
    columns = ("validation_loss_ratio", "labelled_alone", "with_unlabelled")
    lines = table("method", f"all {result['studies']} comparisons", "labelled samples only", "with unlabelled samples")
    for method in result["validation_loss_ratio"]:
        cells = [f"{result[column][method]:.3f}" if method in result[column] else "" for column in columns]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    behind = result["behind_best"][result["default"]]
    noise = "within noise" if behind["mean"] <= 2 * behind["standard_error"] else "more than noise"
    return [
        f"**Outcome:** over all comparisons in which every method took part, `{result['best']}` has the lowest validation loss. The "
        f"default of `aft train`, `{result['default']}`, is {100 * behind['mean']:.1f} % behind it (standard error "
        f"{100 * behind['standard_error']:.1f}), which is {noise}. Students of n-grams start from a linear model, and no method moves them "
        "far from it. The default was chosen earlier, with other students of texts and of images (log, 2026-11-24); this table does not "
        "confirm that choice.", "",
        *lines, "", "Lowest validation loss of a method's trials divided by that of fine-tuning's, at most 1, as a geometric "
        "mean. No test data was used.", "",
    ]  # fmt: skip


CLAIMS: dict[str, Callable[[Row], Sequence[str]]] = {
    "better_than_alternatives": _normalised,
    "images_on_a_gpu": _normalised,
    "better_teachers_better_students": _relation,
    "teachers_complement": _pairs,
    "fifty_times_smaller": _cost,
    "little_overhead": _overhead,
    "scarce_labels": _scarce,
    "default_method": _default,
    "noise_dimensions": _noise,
}


if __name__ == "__main__":
    main()
