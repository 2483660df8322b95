"""Marks of a figure. A template writes them as SVG, and escapes their texts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from aft.reporting._names import short


@dataclass(frozen=True)
class Line:
    """From one point to another."""

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
    """A line through points, or a shape."""

    kind: ClassVar[str] = "path"
    d: str
    css: str

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]], css: str) -> "Path":
        """A line through points."""
        return cls("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), css)


@dataclass(frozen=True)
class Text:
    """A line of text; one longer than ``limit`` is cut, and says itself in full when pointed at."""

    kind: ClassVar[str] = "text"
    x: float
    y: float
    text: str
    css: str = ""
    anchor: str = "start"
    limit: int = 200

    @property
    def shown(self) -> str:
        """What there is room for."""
        return short(self.text, self.limit)


Mark = Line | Rect | Path | Text


@dataclass
class Drawing:
    """Marks on a sheet.

    Args:
        width: Of the sheet; about as many pixels as it will have on a screen, so that text keeps its size.
        height: Of the sheet.
        marks: In the order in which they cover each other.
    """

    width: float
    height: float
    marks: list[Mark] = field(default_factory=list)

    def add(self, *marks: Mark) -> None:
        """Put marks on top."""
        self.marks.extend(marks)


@dataclass(frozen=True)
class Figure:
    """A drawing with what it says in words.

    Args:
        name: Unique on the page; letters, digits and hyphens.
        title: What it is.
        description: What is to be seen on it, for those who do not see it.
        wide: For screens and paper.
        narrow: For phones, where ``wide`` would shrink beyond reading; None where ``wide`` is narrow already.
    """

    name: str
    title: str
    description: str
    wide: Drawing
    narrow: Drawing | None = None


#: What tells methods apart beside their colour.
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
    """A method's shape at a point."""
    sizes = {
        "x": x, "y": y, "r": radius, "d": 2 * radius, "s": radius * 0.87, "t": radius * 1.74, "q": radius * 1.2, "w": radius * 2.1,
        "v": radius * 2.4, "e": radius * 0.5, "f": radius, "g": radius * 0.5,
    }  # fmt: skip
    return Path(_SHAPES[shape].format(**{key: f"{value:.2f}" for key, value in sizes.items()}), f"marker {css}")


@dataclass(frozen=True)
class Style:
    """How a method looks in every figure of a page: its shape, and the class of its colour."""

    shape: str
    css: str


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """Give every method a look, fine-tuning always the same one."""
    shapes = ("circle", "diamond", "up", "down", "plus", "hexagon")
    others = [method for method in dict.fromkeys(methods) if method != "finetune"]
    looks = {method: Style(shapes[n % len(shapes)], f"tone{n % len(shapes)}") for n, method in enumerate(others)}
    return {"finetune": Style("square", "base")} | looks
