"""A figure for each claim, drawn as the report's are."""

from collections.abc import Callable
from typing import Any

from aft.reporting import Column, Dot, Figure, Guide, Heading, Unit, draw_dots, draw_scatter, method_name, styles

Row = dict[str, Any]
RATIO = Unit(percent=False, digits=4, name="error over fine-tuning’s")
ERROR = Unit(percent=True, digits=1, name="test error")
WIDTH = 720


def better_than_alternatives(result: Row) -> Figure:
    """Normalised errors with their intervals."""
    found = {name: one for name, one in result["normalised_error"].items() if name != "finetune"}
    looks = styles(list(found))
    dots = [
        Dot(method_name(name), one["mean"], looks[name], one["low"], one["high"])
        for name, one in sorted(found.items(), key=lambda item: item[1]["mean"])
    ]
    return _figure(
        result,
        "normalised",
        draw_dots(dots, [Guide("fine-tuning", 1.0, "dashed", show_value=False)], RATIO, WIDTH, gap=26),
    )


def better_teachers_better_students(result: Row) -> Figure | None:
    """The student's error against its teacher's, of the first family."""
    place = next(iter(result["relation"])).split("/")
    rows = [row for row in result["rows"] if [row["task"], row["student"]] == place]
    columns = []
    methods = [name for name in dict.fromkeys(row["method"] for row in rows) if name not in ("majority", "probe")]
    for teacher in dict.fromkeys(row["teachers"] for row in rows):
        mine = {row["method"]: row["error"] for row in rows if row["teachers"] == teacher}
        if mine.get("probe") is not None:
            columns.append(Column("", mine["probe"], {name: mine[name] for name in methods}))
    if len(columns) < 2:
        return None
    drawing = draw_scatter(
        columns,
        styles(methods),
        WIDTH,
        400,
        f"teacher’s probe error, % ({place[0]})",
        f"student’s error, % ({place[1]})",
    )
    return _figure(result, "teachers", drawing)


def teachers_complement(result: Row) -> Figure | None:
    """Two teachers less the better one of them."""
    methods = list(dict.fromkeys(name for pair in result["pairs"] for name in pair["methods"]))
    looks, rows = styles(methods), []
    for pair in result["pairs"]:
        if pair["methods"]:
            rows.append(Heading(f"{' + '.join(pair['pair'])} ({pair['task']})"))
        for name, found in pair["methods"].items():
            one = found["difference"]
            rows.append(Dot(method_name(name), one["mean"], looks[name], one["low"], one["high"]))
    unit = Unit(percent=True, digits=1, name="difference from the better single teacher")
    guides = [Guide("no difference", 0.0, "dashed", show_value=False)]
    return _figure(result, "pairs", draw_dots(rows, guides, unit, WIDTH, gap=26)) if methods else None


def fifty_times_smaller(result: Row) -> Figure:
    """Errors by method beside the teacher's probe."""
    rows = [row for row in result["rows"] if "spread" in row]
    looks = styles([row["method"] for row in rows])
    dots = [Dot(method_name(r["method"]), r["error"], looks[r["method"]], r["low"], r["high"], r["errors"]) for r in rows]  # fmt: skip
    probe = next(row["error"] for row in result["rows"] if row["method"] == "probe")
    return _figure(result, "fifty", draw_dots(dots, [Guide("teacher’s probe", probe, "dotted")], ERROR, WIDTH))


def scarce_labels(result: Row) -> Figure:
    """Fine-tuning, and the best with and without unlabelled samples, by the number of labels."""
    rows = [row for row in result["rows"] if "spread" in row]
    shown = ("finetune", "aft", "kd", "probe-kd", "aft+probe-kd")
    looks = styles(shown)
    lines: list[Dot | Heading] = []
    for variation in sorted({row["variation"] for row in rows}, key=lambda name: (int(name.split("/")[0]), name)):
        count, *bare = variation.split("/")
        lines.append(Heading(f"{count} labels{', and the rest without' if bare else ''}"))
        mine = {row["method"]: row for row in rows if row["variation"] == variation}
        for name in shown:
            row = mine[name]
            lines.append(Dot(method_name(name), row["error"], looks[name], row["low"], row["high"]))
    return _figure(result, "scarce", draw_dots(lines, [], ERROR, WIDTH, gap=22))


def little_overhead(result: Row) -> Figure:
    """Time a step over fine-tuning's, without the teacher in the loop, which would be far off the sheet."""
    rows = [row for row in result["rows"] if "loop" not in row["method"] and row["method"] != "finetune"]
    looks, lines = styles([row["method"] for row in rows]), []
    for place in dict.fromkeys((row["task"], row["student"]) for row in rows):
        mine = [row for row in result["rows"] if (row["task"], row["student"]) == place]
        loop = next(row["ratio"] for row in mine if "loop" in row["method"])
        lines.append(Heading(f"{', '.join(place)} (teacher in the loop: {loop:,.0f} times)"))
        lines += [
            Dot(method_name(row["method"]), row["ratio"], looks[row["method"]], row["low"], row["high"])
            for row in mine
            if row in rows
        ]
    unit = Unit(percent=False, digits=3, name="time a step over fine-tuning’s")
    guides = [Guide("fine-tuning", 1.0, "dashed", show_value=False)]
    return _figure(result, "overhead", draw_dots(lines, guides, unit, WIDTH, gap=24))


def transforms(result: Row) -> Figure | None:
    """Validation loss over fine-tuning's, by method and option."""
    names = list(dict.fromkeys(row["option"] for row in result["rows"]))
    looks, lines = styles(names), []
    for method in dict.fromkeys(row["method"] for row in result["rows"]):
        lines.append(Heading(method_name(method)))
        mine = [row for row in result["rows"] if row["method"] == method]
        lines += [Dot(row["option"], row["loss_ratio"], looks[row["option"]]) for row in mine]
    unit = Unit(percent=False, digits=4, name="validation loss over fine-tuning’s")
    guides = [Guide("fine-tuning", 1.0, "dashed", show_value=False)]
    return _figure(result, "transforms", draw_dots(lines, guides, unit, WIDTH, gap=20)) if names else None


def default_method(result: Row) -> Figure:
    """Validation loss over fine-tuning's, over all comparisons."""
    found = result["validation_loss_ratio"]
    looks = styles(list(found))
    dots = [Dot(method_name(name), value, looks[name]) for name, value in found.items()]
    unit = Unit(percent=False, digits=4, name="validation loss over fine-tuning’s")
    guides = [Guide("fine-tuning", 1.0, "dashed", show_value=False)]
    return _figure(result, "default", draw_dots(dots, guides, unit, WIDTH, gap=26))


def _figure(result: Row, name: str, drawing: Any) -> Figure:
    return Figure(name, result["claim"], "The numbers are in the tables below it.", drawing)


FIGURES: dict[str, Callable[[Row], Figure | None]] = {
    "better_than_alternatives": better_than_alternatives,
    "better_teachers_better_students": better_teachers_better_students,
    "teachers_complement": teachers_complement,
    "fifty_times_smaller": fifty_times_smaller,
    "little_overhead": little_overhead,
    "scarce_labels": scarce_labels,
    "default_method": default_method,
    "transforms": transforms,
}
