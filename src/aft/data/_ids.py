"""Ids from content, for samples that have none of their own."""

from collections import Counter

from aft.data._inputs import Inputs
from aft.errors import DataError


def content_ids(inputs: Inputs) -> list[str]:
    """Make ids from the digests of inputs, so that they do not depend on the order of the samples.

    Args:
        inputs: The inputs; each is read once.

    Returns:
        One id per sample. Repeated inputs get a count, ``DIGEST-2``; an input that cannot be read gets its
        position, ``row-7``.
    """
    ids: list[str] = []
    seen: Counter[str] = Counter()
    for index in range(len(inputs)):
        try:
            digest = inputs.examine(index)
        except DataError:
            digest = f"row-{index + 1}"
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids
