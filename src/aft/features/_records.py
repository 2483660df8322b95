"""The JSON documents of a store: plan, commit record, manifest. Each carries its own SHA-256."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aft.errors import CorruptStoreError, StoreError
from aft.features._commit import write_file
from aft.features._layout import FORMAT

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 48)]
Width = Annotated[int, Field(ge=1, lt=1 << 24)]
Dtype = Literal["float16", "float32"]
Fingerprint = dict[str, str | int | float | bool | None]

#: Larger documents are refused unread: no honest one comes near.
LARGEST_DOCUMENT = 1 << 30


class Sample(NamedTuple):
    """What a store knows of a sample: its id, and a digest of its input (empty for imported features)."""

    id: str
    digest: str


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Part):
    """Size and digest of a file."""

    bytes: Count
    sha256: Sha256


class PlannedShard(_Part):
    """A shard that there will be."""

    rows: Annotated[int, Field(ge=1, lt=1 << 32)]
    ids: File


class ListedShard(_Part):
    """A shard that there is."""

    number: Count
    rows: Annotated[int, Field(ge=1, lt=1 << 32)]
    record_sha256: Sha256


class Statistics(_Part):
    """What a shard's values look like; all finite."""

    minimum: float
    maximum: float
    mean: float
    zero_rows: Count


class _Document(_Part):
    format: int

    @property
    def sha256(self) -> str:
        """Digest of the document's file."""
        return hashlib.sha256(self.encode()).hexdigest()

    def encode(self) -> bytes:
        """The document's bytes: one way to write it, so that any flipped bit shows."""
        content = self.model_dump(mode="json")
        body = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)
        digest = hashlib.sha256(body.encode()).hexdigest()
        return (json.dumps({"content": content, "sha256": digest}, indent=1, sort_keys=True) + "\n").encode()

    def write(self, path: Path) -> str:
        """Commit the document; returns the SHA-256 of the file."""
        return write_file(path, [self.encode()])[1]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a document.

        Raises:
            CorruptStoreError: It is not, to the bit, what was written.
            StoreError: It is missing, or of another format.
        """
        if path.is_symlink():
            raise CorruptStoreError(
                f"a store's files are plain files; received a link at {str(path)!r}; copy the file there"
            )
        try:
            if path.stat().st_size > LARGEST_DOCUMENT:
                raise CorruptStoreError(
                    f"{str(path)!r} is too large to be what was written; extract the features again"
                )
            raw = path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(
                f"a feature store holds {path.name!r}; there is none in {str(path.parent)!r}; check the path"
            ) from error
        return cls.decode(raw, str(path))

    @classmethod
    def decode(cls, raw: bytes, where: str) -> Self:
        """Check a document's bytes.

        Args:
            raw: What was read.
            where: Its path or address, for the text.

        Raises:
            CorruptStoreError: It is not, to the bit, what was written.
            StoreError: It is of another format.
        """
        broken = CorruptStoreError(f"{where!r} is not what was written to it; restore it from a copy or extract again")
        try:
            envelope = json.loads(raw)
            content = envelope["content"]
            if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
                raise StoreError(
                    f"this aft reads feature stores of format {FORMAT}; {where!r} has format {content['format']}; upgrade aft"
                )
            document = cls.model_validate_json(json.dumps(content))
        except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
            if isinstance(error, StoreError):
                raise
            raise broken from error
        if document.encode() != raw:
            raise broken
        return document


class Plan(_Document):
    """What a store will hold; written before the first shard."""

    kind: Literal["plan"] = "plan"
    name: str
    fingerprint: Fingerprint
    dim: Width
    dtype: Dtype
    shards: list[PlannedShard | None]  # None where a planned shard was given up before it was committed


class ShardRecord(_Document):
    """The commit of a shard."""

    kind: Literal["shard"] = "shard"
    number: Count
    rows: Annotated[int, Field(ge=1, lt=1 << 32)]
    dim: Width
    dtype: Dtype
    ids: File
    data: File
    block_rows: Annotated[int, Field(ge=1)]
    blocks: list[Sha256]
    statistics: Statistics


class Manifest(_Document):
    """What a finished store holds; written when every shard is there."""

    kind: Literal["manifest"] = "manifest"
    name: str
    fingerprint: Fingerprint
    samples: Sha256
    dim: Width
    dtype: Dtype
    rows: Count
    index: File
    shards: list[ListedShard]


def encode_ids(samples: Sequence[Sample]) -> bytes:
    """The bytes of a shard's id file."""
    return "".join(json.dumps([s.id, s.digest], ensure_ascii=True) + "\n" for s in samples).encode()


def read_ids(path: Path, expected: File) -> list[Sample]:
    """Read a shard's id file and check it.

    Raises:
        CorruptStoreError: It is missing or not what was written.
    """
    try:
        if path.is_symlink() or path.stat().st_size != expected.bytes:
            raise CorruptStoreError(
                f"{str(path)!r} has another size than was written; restore it from a copy or extract again"
            )
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise CorruptStoreError(f"{str(path)!r} is missing; restore it from a copy or extract again") from error
    if hashlib.sha256(raw).hexdigest() != expected.sha256:
        raise CorruptStoreError(f"{str(path)!r} is not what was written to it; restore it from a copy or extract again")
    return [Sample(*json.loads(line)) for line in raw.splitlines()]


def compare_fingerprints(asked: Mapping[str, Any], found: Mapping[str, Any], where: str) -> list[str]:
    """Name the fields in which two fingerprints differ.

    Args:
        asked: What the caller wants the features to be of.
        found: What a store's features are of.
        where: The store, for the text.

    Returns:
        One text a field, empty where they agree.
    """
    return [
        f"{field}: asked {asked.get(field)!r}, {where} has {found.get(field)!r}"
        for field in sorted({*asked, *found})
        if asked.get(field) != found.get(field)
    ]
