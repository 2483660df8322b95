"""Every file name of a feature store, format 1, in one place."""

from dataclasses import dataclass
from pathlib import Path

FORMAT = 1

#: Data is verified in blocks of about this many bytes, each when it is first read.
BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class Layout:
    """Where the files of one store lie. Names come from numbers, never from a file's content."""

    folder: Path

    @property
    def plan(self) -> Path:
        """What shards there will be, and of what; written first."""
        return self.folder / "plan.json"

    @property
    def manifest(self) -> Path:
        """What shards there are; written last."""
        return self.folder / "manifest.json"

    def ids(self, shard: int) -> Path:
        """Ids and input digests of a shard's rows, one JSON array a line."""
        return self.folder / f"shard-{shard:06d}.ids.jsonl"

    def data(self, shard: int) -> Path:
        """A shard's features, a plain ``.npy`` array."""
        return self.folder / f"shard-{shard:06d}.npy"

    def record(self, shard: int) -> Path:
        """A shard's commit record: the shard exists when this file does."""
        return self.folder / f"shard-{shard:06d}.json"

    def index(self, digest: str) -> Path:
        """The sorted index of ids; its name holds its digest, so that an old manifest keeps its own."""
        return self.folder / f"index-{digest[:16]}.npy"


#: Prefix of files that are being written.
TEMPORARY = ".writing-"
