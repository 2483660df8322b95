"""Gates: which features of each teacher are used."""

from collections.abc import Sequence
from dataclasses import dataclass

from aft.reporting._figure import Drawing, Figure, Line, Rect, Text
from aft.reporting._numbers import share
from aft.results import ComparisonResult, Gates

WIDTH, HEIGHT = 300.0, 150.0


@dataclass(frozen=True)
class GatesPanel:
    """The gates of one teacher in one method.

    Attributes:
        method: Name of the method.
        teacher: Name of the teacher.
        mean: Mean of the gates, if known.
        dim: Dimension of the teacher's features, if known.
        figure: Histogram of the gates, if known.
        strongest: Pairs of feature index and gate, largest gate first.
    """

    method: str
    teacher: str
    mean: float | None
    dim: int | None
    figure: Figure | None
    strongest: Sequence[tuple[int, float]]


def gate_panels(comparison: ComparisonResult, name: str) -> list[GatesPanel]:
    """Collect the gates of all methods that have them.

    Args:
        comparison: The result.
        name: Prefix of the names of the figures.

    Returns:
        One panel per method and teacher.
    """
    dims = {teacher.name: teacher.dim for teacher in comparison.teachers}
    panels: list[GatesPanel] = []
    for result in comparison.methods:
        for teacher, gates in result.gates.items():
            method = result.method
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
    drawing = Drawing(WIDTH, HEIGHT)
    left, right, top, bottom = 6.0, WIDTH - 6, 26.0, HEIGHT - 32
    step = (right - left) / len(counts)
    for n, count in enumerate(counts):
        size = count / max(counts) * (bottom - top)
        drawing.add(Rect(left + n * step + 0.75, bottom - size, max(step - 1.5, 0.5), size, "bar"))
    drawing.add(Line(left, bottom, right, bottom, "axis"))
    for value, label in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        anchor = "start" if value == 0 else "end" if value == 1 else "middle"
        drawing.add(Text(left + value * (right - left), bottom + 15, label, "muted", anchor))
    drawing.add(Text(left + (right - left) * 0.25, bottom + 28, "← ignored", "muted", "middle"))
    drawing.add(Text(left + (right - left) * 0.75, bottom + 28, "used →", "muted", "middle"))
    if gates.mean is not None:
        x = left + min(max(gates.mean, 0.0), 1.0) * (right - left)
        anchor = "start" if gates.mean < 0.2 else "end" if gates.mean > 0.8 else "middle"
        drawing.add(Line(x, 16, x, bottom, "guide dashed"), Text(x, 12, f"mean {gates.mean:.2f}", "haloed", anchor))
    low = sum(counts[: len(counts) // 4]) / total
    high = sum(counts[len(counts) - len(counts) // 4 :]) / total
    return Figure(
        name,
        f"Gates of {teacher} under {method}",
        f"{share(low)} of the gates are in the lowest quarter, {share(high)} in the highest.",
        drawing,
    )
