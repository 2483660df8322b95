"""The Jinja environment of the templates."""

from collections.abc import Callable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from aft.reporting._names import short
from aft.reporting._numbers import seconds, share, significant
from aft.results import seeds_phrase


@cache
def environment() -> Environment:
    """The environment. It escapes every value; a test checks that no template switches this off."""
    # select_autoescape, which linters recommend, would exempt templates by their file name.
    made = Environment(
        loader=PackageLoader("aft.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "place": lambda value: f"{value:.1f}".removesuffix(".0"),
        "seeds_phrase": seeds_phrase,
        "short": short,
        "share": share,
        "significant": significant,
        "seconds": seconds,
    }
    made.filters |= filters
    return made
