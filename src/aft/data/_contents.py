"""What every source of samples returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aft.data._inputs import Inputs


@dataclass(frozen=True)
class Contents:
    """The samples of a source, as arguments for `Dataset`; see there for each field."""

    ids: Sequence[str]
    inputs: Inputs
    labels: Sequence[Any] | None
    splits: Sequence[str] | None
    groups: Sequence[str | None] | None
    source: dict[str, Any]
    missing: dict[str, int] = field(default_factory=dict)
    digests: Sequence[str] | None = None
