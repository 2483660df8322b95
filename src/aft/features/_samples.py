"""What a store knows about its samples: ids and digests of inputs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from aft.data import StringsBuilder


class Sample(NamedTuple):
    """What a store knows about a sample.

    Attributes:
        id: The sample's id.
        digest: Digest of its input; empty for imported features.
    """

    id: str
    digest: str


class Samples(Sequence[Sample]):
    """Many samples in two columns, which take a fraction of the memory of a list.

    Args:
        ids: Ids, one per sample.
        digests: Digests of their inputs.
    """

    def __init__(self, ids: Sequence[str], digests: Sequence[str]) -> None:
        self.ids = ids
        self.digests = digests

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Samples":
        """The samples of an iterable, which may be an iterator; the same ones if they are in columns already."""
        if isinstance(samples, Samples):
            return samples
        ids, digests = StringsBuilder(), StringsBuilder()
        for sample in samples:
            ids.append(sample.id)
            digests.append(sample.digest)
        return cls(ids.build(), digests.build())

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, key: int) -> Sample: ...
    @overload
    def __getitem__(self, key: slice) -> list[Sample]: ...
    def __getitem__(self, key: int | slice) -> Sample | list[Sample]:
        if isinstance(key, slice):
            return [Sample(*pair) for pair in zip(self.ids[key], self.digests[key], strict=True)]
        return Sample(self.ids[key], self.digests[key])

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(*pair) for pair in zip(self.ids, self.digests, strict=True))
