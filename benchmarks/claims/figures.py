"""One figure per claim, in the style of the report."""

from collections.abc import Callable
from typing import Any

from aft.reporting import Column, Dot, Figure, Guide, Heading, Unit, draw_dots, draw_scatter, styles

Row = dict[str, Any]
RATIO = Unit(percent=False, digits=4, name="error relative to fine-tuning")
ERROR = Unit(percent=True, digits=1, name="test error")
WIDTH = 720


def better_than_alternatives(result: Row) -> Figure:
    """Draw normalised errors with their intervals."""
    intervals = {name: one for name, one in result["normalised_error"].items() if name != "finetune"}
    method_styles = styles(list(intervals))
    dots = [
        Dot(name, one["mean"], method_styles[name], one["low"], one["high"])
        for name, one in sorted(intervals.items(), key=lambda item: item[1]["mean"])
    ]
    return _figure(
        result,
        "normalised",
        draw_dots(dots, [Guide("fine-tuning", 1.0, "dashed", show_value=False)], RATIO, WIDTH, gap=26),
    )


def better_teachers_better_students(result: Row) -> Figure | None:
    """Draw the student's error against the teacher's, for the first family."""
    pair = next(iter(result["relation"])).split("/")
    rows = [row for row in result["rows"] if [row["task"], row["student"]] == pair]
    columns = []
    methods = [name for name in dict.fromkeys(row["method"] for row in rows) if name not in ("majority", "probe")]
    for teacher in dict.fromkeys(row["teachers"] for row in rows):
        errors = {row["method"]: row["error"] for row in rows if row["teachers"] == teacher}
        if errors.get("probe") is not None:
            columns.append(Column("", errors["probe"], {name: errors[name] for name in methods}))
    if len(columns) < 2:
        return None
    drawing = draw_scatter(
        columns,
        styles(methods),
        WIDTH,
        400,
        f"teacher’s probe error, % ({pair[0]})",
        f"student’s error, % ({pair[1]})",
    )
    return _figure(result, "teachers", drawing)


def teachers_complement(result: Row) -> Figure | None:
    """Draw the error with two teachers minus that with the better one of them."""
    methods = list(dict.fromkeys(name for pair in result["pairs"] for name in pair["methods"]))
    method_styles, rows = styles(methods), []
    for pair in result["pairs"]:
        if pair["methods"]:
            rows.append(Heading(f"{' + '.join(pair['pair'])} ({pair['task']})"))
        for name, found in pair["methods"].items():
            one = found["difference"]
            rows.append(Dot(name, one["mean"], method_styles[name], one["low"], one["high"]))
    unit = Unit(percent=True, digits=1, name="difference from the better single teacher")
    guides = [Guide("no difference", 0.0, "dashed", show_value=False)]
    return _figure(result, "pairs", draw_dots(rows, guides, unit, WIDTH, gap=26)) if methods else None


def fifty_times_smaller(result: Row) -> Figure:
    """Draw errors by method, with the teacher's probe as a guide."""
    rows = [row for row in result["rows"] if "spread" in row]
    method_styles = styles([row["method"] for row in rows])
    dots = [
        Dot(
            row["method"],
            row["error"],
            method_styles[row["method"]],
            row["low"],
            row["high"],
            row["errors"],
        )
        for row in rows
    ]
    probe = next(row["error"] for row in result["rows"] if row["method"] == "probe")
    return _figure(result, "fifty", draw_dots(dots, [Guide("teacher’s probe", probe, "dotted")], ERROR, WIDTH))


def scarce_labels(result: Row) -> Figure:
    """Draw errors by the number of labels, with and without unlabelled samples."""
    rows = [row for row in result["rows"] if "spread" in row]
    shown = ("finetune", "aft", "kd", "probe-kd", "aft+probe-kd")
    method_styles = styles(shown)
    lines: list[Dot | Heading] = []
    for variation in sorted({row["variation"] for row in rows}, key=lambda name: (int(name.split("/")[0]), name)):
        count, *unlabelled = variation.split("/")
        lines.append(Heading(f"{count} labels{', the others unlabelled' if unlabelled else ''}"))
        by_method = {row["method"]: row for row in rows if row["variation"] == variation}
        for name in shown:
            row = by_method[name]
            lines.append(Dot(name, row["error"], method_styles[name], row["low"], row["high"]))
    return _figure(result, "scarce", draw_dots(lines, [], ERROR, WIDTH, gap=22))


def little_overhead(result: Row) -> Figure:
    """Draw the time per step relative to fine-tuning. The teacher in the loop would be off the scale and is named only."""
    rows = [row for row in result["rows"] if "loop" not in row["method"] and row["method"] != "finetune"]
    method_styles, lines = styles([row["method"] for row in rows]), []
    for pair in dict.fromkeys((row["task"], row["student"]) for row in rows):
        selected = [row for row in result["rows"] if (row["task"], row["student"]) == pair]
        loop = next(row["ratio"] for row in selected if "loop" in row["method"])
        lines.append(Heading(f"{', '.join(pair)} (teacher in the loop: {loop:,.0f} times)"))
        lines += [
            Dot(row["method"], row["ratio"], method_styles[row["method"]], row["low"], row["high"])
            for row in selected
            if row in rows
        ]
    unit = Unit(percent=False, digits=3, name="time per step relative to fine-tuning")
    guides = [Guide("fine-tuning", 1.0, "dashed", show_value=False)]
    return _figure(result, "overhead", draw_dots(lines, guides, unit, WIDTH, gap=24))


def noise_dimensions(result: Row) -> Figure | None:
    """Draw errors relative to those without the noise, by method."""
    rows = [row for row in result["ratio"] if "+" in row["teachers"]]
    method_styles, lines = styles(list(dict.fromkeys(row["method"] for row in rows))), []
    for place in dict.fromkeys((row["task"], row["teachers"]) for row in rows):
        lines.append(Heading(f"{place[0]}, {place[1].replace('+', ' + ')}"))
        selected = [row for row in rows if (row["task"], row["teachers"]) == place]
        lines += [Dot(row["method"], row["ratio"], method_styles[row["method"]]) for row in selected]
    unit = Unit(percent=False, digits=4, name="error relative to the teacher alone")
    guides = [Guide("no noise", 1.0, "dashed", show_value=False)]
    return _figure(result, "noise", draw_dots(lines, guides, unit, WIDTH, gap=22)) if rows else None


def default_method(result: Row) -> Figure:
    """Draw validation losses relative to fine-tuning, over all comparisons."""
    ratios = result["validation_loss_ratio"]
    method_styles = styles(list(ratios))
    dots = [Dot(name, ratio, method_styles[name]) for name, ratio in ratios.items()]
    unit = Unit(percent=False, digits=4, name="validation loss relative to fine-tuning")
    guides = [Guide("fine-tuning", 1.0, "dashed", show_value=False)]
    return _figure(result, "default", draw_dots(dots, guides, unit, WIDTH, gap=26))


def _figure(result: Row, name: str, drawing: Any) -> Figure:
    return Figure(name, result["claim"], "The numbers are in the tables below.", drawing)


FIGURES: dict[str, Callable[[Row], Figure | None]] = {
    "better_than_alternatives": better_than_alternatives,
    "images_on_a_gpu": better_than_alternatives,
    "better_teachers_better_students": better_teachers_better_students,
    "teachers_complement": teachers_complement,
    "fifty_times_smaller": fifty_times_smaller,
    "little_overhead": little_overhead,
    "scarce_labels": scarce_labels,
    "default_method": default_method,
    "noise_dimensions": noise_dimensions,
}
