"""A figure as an SVG file."""

from aft.reporting._environment import environment
from aft.reporting._figure import Figure


def svg(figure: Figure) -> str:
    """Render a figure as an SVG file with its own style sheet, which follows the light or dark mode of the viewer.

    Args:
        figure: The figure, whose wide drawing is used.

    Returns:
        The text of the file.
    """
    return environment().get_template("file.svg.jinja").render(figure=figure)
