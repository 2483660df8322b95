"""Gates: how much of each teacher is used."""

from collections.abc import Sequence
from dataclasses import dataclass

from aft.reporting._comparison import Comparison, Gates
from aft.reporting._figure import Drawing, Figure, Line, Rect, Text
from aft.reporting._names import method_name
from aft.reporting._numbers import share

WIDTH, HEIGHT = 300.0, 150.0


@dataclass(frozen=True)
class GatesPanel:
    """One teacher's gates under one method.

    Attributes:
        method: The method.
        teacher: The teacher.
        mean: Their mean, if known.
        dimensions: How many features the teacher has, if known.
        figure: Their histogram, if known.
        strongest: Dimensions with the largest gates, and these.
    """

    method: str
    teacher: str
    mean: float | None
    dimensions: int | None
    figure: Figure | None
    strongest: Sequence[tuple[int, float]]


def gate_panels(comparison: Comparison, name: str) -> list[GatesPanel]:
    """Describe the gates of every method that has them.

    Args:
        comparison: What is shown.
        name: Start of the figures' names.

    Returns:
        A panel a method and teacher.
    """
    dims = {teacher.name: teacher.dim for teacher in comparison.teachers}
    panels: list[GatesPanel] = []
    for row in comparison.rows:
        for teacher, gates in row.gates.items():
            method = method_name(row.method)
            figure = _histogram(gates, teacher, method, f"{name}-{len(panels)}")
            panels.append(
                GatesPanel(method, teacher, gates.mean, dims.get(teacher), figure, sorted(gates.strongest, key=lambda pair: -pair[1])[:10])
            )  # fmt: skip
    return panels


def _histogram(gates: Gates, teacher: str, method: str, name: str) -> Figure | None:
    counts = [max(count, 0.0) for count in gates.histogram]
    total = sum(counts)
    if not total:
        return None
    sheet = Drawing(WIDTH, HEIGHT)
    left, right, top, bottom = 6.0, WIDTH - 6, 26.0, HEIGHT - 32
    step = (right - left) / len(counts)
    for n, count in enumerate(counts):
        tall = count / max(counts) * (bottom - top)
        sheet.add(Rect(left + n * step + 0.75, bottom - tall, max(step - 1.5, 0.5), tall, "bar"))
    sheet.add(Line(left, bottom, right, bottom, "axis"))
    for value, label in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        anchor = "start" if value == 0 else "end" if value == 1 else "middle"
        sheet.add(Text(left + value * (right - left), bottom + 15, label, "muted", anchor))
    sheet.add(Text(left + (right - left) * 0.25, bottom + 28, "unused ←", "muted", "middle"))
    sheet.add(Text(left + (right - left) * 0.75, bottom + 28, "→ used", "muted", "middle"))
    if gates.mean is not None:
        x = left + min(max(gates.mean, 0.0), 1.0) * (right - left)
        anchor = "start" if gates.mean < 0.2 else "end" if gates.mean > 0.8 else "middle"
        sheet.add(Line(x, 16, x, bottom, "guide dashed"), Text(x, 12, f"mean {gates.mean:.2f}", "haloed", anchor))
    low = sum(counts[: len(counts) // 4]) / total
    high = sum(counts[len(counts) - len(counts) // 4 :]) / total
    return Figure(
        name,
        f"Gates of {teacher} under {method}",
        f"{share(low)} of the gates lie in the lowest quarter, {share(high)} in the highest.",
        sheet,
    )
