"""The layout of a feature store, format 1: every file name in one place."""

from dataclasses import dataclass
from pathlib import Path

FORMAT = 1

#: Features are verified in blocks of about this many bytes, each when it is first read.
BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class Layout:
    """The paths of one store's files. Names are derived from numbers, never from the content of a file.

    Attributes:
        directory: The store's directory.
    """

    directory: Path

    @property
    def plan(self) -> Path:
        """The plan, which lists the shards to be computed. It is written first."""
        return self.directory / "plan.json"

    @property
    def manifest(self) -> Path:
        """The manifest, which lists the shards of a finished store. It is written last."""
        return self.directory / "manifest.json"

    def ids(self, shard: int) -> Path:
        """Ids and input digests of a shard's rows, one JSON array per line."""
        return self.directory / f"shard-{shard:06d}.ids.jsonl"

    def data(self, shard: int) -> Path:
        """The features of a shard, a plain ``.npy`` array."""
        return self.directory / f"shard-{shard:06d}.npy"

    def record(self, shard: int) -> Path:
        """The commit record of a shard. The shard exists if and only if this file does."""
        return self.directory / f"shard-{shard:06d}.json"

    def index(self, digest: str) -> Path:
        """The sorted index of ids. Its name contains its digest, so an older manifest keeps its own index."""
        return self.directory / f"index-{digest[:16]}.npy"
