"""Figures as lists of marks, which a template renders as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from aft.reporting._names import short


@dataclass(frozen=True)
class Line:
    """A line between two points."""

    kind: ClassVar[str] = "line"
    x1: float
    y1: float
    x2: float
    y2: float
    css: str


@dataclass(frozen=True)
class Rect:
    """A rectangle."""

    kind: ClassVar[str] = "rect"
    x: float
    y: float
    width: float
    height: float
    css: str


@dataclass(frozen=True)
class Path:
    """A polyline or a shape, in the syntax of SVG paths."""

    kind: ClassVar[str] = "path"
    d: str
    css: str

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]], css: str) -> "Path":
        """Create a polyline."""
        return cls("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), css)


@dataclass(frozen=True)
class Text:
    """A line of text. One longer than ``limit`` is shortened, with the full text as a tooltip."""

    kind: ClassVar[str] = "text"
    x: float
    y: float
    text: str
    css: str = ""
    anchor: str = "start"
    limit: int = 200

    @property
    def shown(self) -> str:
        """The text, shortened to the limit."""
        return short(self.text, self.limit)


Mark = Line | Rect | Path | Text


@dataclass
class Drawing:
    """Marks on a canvas.

    Args:
        width: Width of the canvas, close to its size on the screen in pixels, so that text keeps its size.
        height: Height of the canvas.
        marks: Marks from bottom to top.
    """

    width: float
    height: float
    marks: list[Mark] = field(default_factory=list)

    def add(self, *marks: Mark) -> None:
        """Add marks on top."""
        self.marks.extend(marks)


@dataclass(frozen=True)
class Figure:
    """A drawing with its title and description.

    Args:
        name: Id of the figure, unique on the page, of letters, digits and hyphens.
        title: Title.
        description: The content in words, for screen readers.
        wide: Drawing for screens and paper.
        narrow: Drawing for phones, on which ``wide`` would be illegible; None where ``wide`` is narrow enough.
    """

    name: str
    title: str
    description: str
    wide: Drawing
    narrow: Drawing | None = None


#: Shapes distinguish methods for readers who cannot tell their colours apart.
_SHAPES = {
    "circle": "M{x} {y}m-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0",
    "square": "M{x} {y}m-{s} -{s}h{t}v{t}h-{t}z",
    "diamond": "M{x} {y}m0 -{q}l{q} {q}l-{q} {q}l-{q} -{q}z",
    "up": "M{x} {y}m0 -{q}l{q} {w}h-{v}z",
    "down": "M{x} {y}m0 {q}l{q} -{w}h-{v}z",
    "plus": "M{x} {y}m-{e} -{r}h{f}v{g}h{g}v{f}h-{g}v{g}h-{f}v-{g}h-{g}v-{f}h{g}z",
    "hexagon": "M{x} {y}m-{r} 0l{e} -{s}h{r}l{e} {s}l-{e} {s}h-{r}z",
}


def marker(x: float, y: float, shape: str, css: str, radius: float = 5.5) -> Path:
    """Place a shape at a point."""
    sizes = {
        "x": x, "y": y, "r": radius, "d": 2 * radius, "s": radius * 0.87, "t": radius * 1.74, "q": radius * 1.2, "w": radius * 2.1,
        "v": radius * 2.4, "e": radius * 0.5, "f": radius, "g": radius * 0.5,
    }  # fmt: skip
    return Path(_SHAPES[shape].format(**{key: f"{value:.2f}" for key, value in sizes.items()}), f"marker {css}")


@dataclass(frozen=True)
class Style:
    """Shape and colour class of a method, the same in every figure of a page."""

    shape: str
    css: str


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """Assign a style to each method. Fine-tuning always has the same one."""
    shapes = ("circle", "diamond", "up", "down", "plus", "hexagon")
    others = [method for method in dict.fromkeys(methods) if method != "finetune"]
    method_styles = {
        method: Style(shapes[n % len(shapes)], f"tone{n % len(shapes)}") for n, method in enumerate(others)
    }
    return {"finetune": Style("square", "base")} | method_styles
