"""The templates."""

from collections.abc import Callable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from aft.reporting._names import method_name, short
from aft.reporting._numbers import seconds, share, significant


@cache
def environment() -> Environment:
    """Templates with every value escaped; none of them may switch that off (a test looks)."""
    # Bandit's rule wants select_autoescape; escaping everything is stricter.
    made = Environment(
        loader=PackageLoader("aft.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "place": lambda value: f"{value:.1f}".removesuffix(".0"),
        "short": short,
        "share": share,
        "significant": significant,
        "seconds": seconds,
        "method": method_name,
    }
    made.filters |= filters
    return made
