"""A figure as a file of its own, for pages that are not ours."""

from aft.reporting._environment import environment
from aft.reporting._figure import Figure


def svg(figure: Figure) -> str:
    """Write a figure as an SVG file that carries its style, light or dark as the reader's screen is.

    Args:
        figure: The figure; its wide drawing is taken.

    Returns:
        The file's text.
    """
    return environment().get_template("file.svg.jinja").render(figure=figure)
