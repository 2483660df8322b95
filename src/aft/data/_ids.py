"""Ids from content, for samples that have none of their own."""

from collections.abc import Iterator

import numpy as np

from aft.data._inputs import Inputs
from aft.data._strings import Digests, Strings


def content_ids(inputs: Inputs) -> tuple[Strings, Digests | None]:
    """Make ids from the digests of inputs, so that they do not depend on the order of the samples.

    Args:
        inputs: The inputs; each is read once.

    Returns:
        One id per sample, and the digests of all inputs, None if some cannot be read. Repeated inputs get a count, ``DIGEST-2``; an
        input that cannot be read gets its position, ``row-7``.
    """
    digests, unreadable = inputs.examine_all()
    counts = _counts(digests)

    def ids() -> Iterator[str]:
        for index, digest in enumerate(digests):
            count = counts.get(index, 1)
            yield f"row-{index + 1}" if index in unreadable else digest if count == 1 else f"{digest}-{count}"

    return Strings.of(ids()), None if unreadable else digests


def _counts(digests: Digests) -> dict[int, int]:
    """How many times a digest has occurred up to each position at which it is repeated."""
    halves = digests.content.view(np.uint64)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # equal digests stay in the order of their positions
    halves = halves[order]
    counts: dict[int, int] = {}
    for place in np.flatnonzero((halves[1:] == halves[:-1]).all(axis=1)).tolist():
        counts[int(order[place + 1])] = counts.get(int(order[place]), 1) + 1
    return counts
