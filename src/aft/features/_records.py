"""The JSON documents of a store: plan, commit record and manifest. Each contains its own SHA-256."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aft.errors import StoreError
from aft.features._commit import write_file
from aft.features._corrupt import corrupt, refuse_symlink
from aft.features._layout import FORMAT
from aft.features._samples import Sample

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 48)]
Width = Annotated[int, Field(ge=1, lt=1 << 24)]
Dtype = Literal["float16", "float32"]
Fingerprint = dict[str, str | int | float | bool | None]

#: Larger documents are rejected unread: no genuine one comes near this size.
LARGEST_DOCUMENT = 1 << 30


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Strict):
    """Size and digest of a file."""

    bytes: Count
    sha256: Sha256


class PlannedShard(_Strict):
    """A shard of the plan."""

    rows: Annotated[int, Field(ge=1, lt=1 << 32)]
    ids: File


class ListedShard(_Strict):
    """A shard of the manifest."""

    number: Count
    rows: Annotated[int, Field(ge=1, lt=1 << 32)]
    record_sha256: Sha256


class Statistics(_Strict):
    """Summary of a shard's values, all of which are finite."""

    minimum: float
    maximum: float
    mean: float
    zero_rows: Count


class _Document(_Strict):
    format: int

    @property
    def sha256(self) -> str:
        """Digest of the document's file."""
        return hashlib.sha256(self.encode()).hexdigest()

    def encode(self) -> bytes:
        """The canonical bytes of the document. Comparing bytes therefore reveals any flipped bit."""
        content = self.model_dump(mode="json")
        body = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)
        digest = hashlib.sha256(body.encode()).hexdigest()
        return (json.dumps({"content": content, "sha256": digest}, indent=1, sort_keys=True) + "\n").encode()

    def write(self, path: Path) -> str:
        """Write the document atomically and return the SHA-256 of the file."""
        return write_file(path, [self.encode()])[1]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and verify a document.

        Raises:
            CorruptStoreError: It is not, bit for bit, what was written.
            StoreError: It is missing, or has a newer format.
        """
        refuse_symlink(path)
        try:
            if path.stat().st_size > LARGEST_DOCUMENT:
                raise corrupt(path, "is larger than any document of a store")
            raw = path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(
                f"a feature store contains {path.name!r}; {str(path.parent)!r} does not; check the path"
            ) from error
        return cls.decode(raw, str(path))

    @classmethod
    def read_known(cls, path: Path, sha256: str, source: str) -> Self:
        """Read a document whose SHA-256 another document lists. It need not be encoded again, which takes longer than the rest.

        Args:
            path: The file.
            sha256: The digest that is listed.
            source: Its path or address, for error messages.

        Raises:
            CorruptStoreError: It is missing, or has another digest.
        """
        refuse_symlink(path)
        try:
            raw = path.read_bytes()
        except FileNotFoundError as error:
            raise corrupt(source, "is missing") from error
        if hashlib.sha256(raw).hexdigest() != sha256:
            raise corrupt(source, "is not the one that the manifest lists")
        try:
            return cls.model_validate(json.loads(raw)["content"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise corrupt(source) from error

    @classmethod
    def decode(cls, raw: bytes, source: str) -> Self:
        """Verify and parse the bytes of a document.

        Args:
            raw: The bytes.
            source: Path or address that they come from, for error messages.

        Raises:
            CorruptStoreError: They are not, bit for bit, what was written.
            StoreError: The document has a newer format.
        """
        try:
            envelope = json.loads(raw)
            content = envelope["content"]
            if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
                raise StoreError(
                    f"this version of aft reads feature stores up to format {FORMAT}; {source!r} has format "
                    f"{content['format']}; upgrade aft"
                )
            document = cls.model_validate_json(json.dumps(content))
            same = document.encode() == raw  # no document holds infinity, which cannot be encoded
        except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
            if isinstance(error, StoreError):
                raise
            raise corrupt(source) from error
        if not same:
            raise corrupt(source)
        return document


class Plan(_Document):
    """What a store will contain. It is written before the first shard."""

    kind: Literal["plan"] = "plan"
    name: str
    fingerprint: Fingerprint
    dim: Width
    dtype: Dtype
    shards: list[PlannedShard | None]  # None for a planned shard that was abandoned before it was committed


class ShardRecord(_Document):
    """The commit record of a shard."""

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
    """What a finished store contains. It is written when every shard is committed."""

    kind: Literal["manifest"] = "manifest"
    name: str
    fingerprint: Fingerprint
    samples: Sha256
    dim: Width
    dtype: Dtype
    rows: Count
    index: File
    shards: list[ListedShard]


def views_of(fingerprint: Mapping[str, Any]) -> int:
    """How many vectors a row holds, one for each view of its sample."""
    return int(fingerprint.get("views", 1))


def encode_ids(samples: Sequence[Sample]) -> bytes:
    """The bytes of a shard's id file."""
    quoted = encode_basestring_ascii  # what json.dumps does with a string, without what it does around it
    return "".join(f"[{quoted(sample_id)}, {quoted(digest)}]\n" for sample_id, digest in samples).encode()


def read_ids(path: Path, expected: File, rows: int) -> list[Sample]:
    """Read and verify the id file of a shard.

    Args:
        path: The id file.
        expected: Its size and digest in the plan or the commit record.
        rows: The number of rows there.

    Returns:
        The samples in the order of the shard's rows.

    Raises:
        CorruptStoreError: The file is missing, or is not what was written.
    """
    try:
        if path.is_symlink() or path.stat().st_size != expected.bytes:
            raise corrupt(path)
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise corrupt(path, "is missing") from error
    if hashlib.sha256(raw).hexdigest() != expected.sha256:
        raise corrupt(path)
    samples = [Sample(*pair) for pair in json.loads(b"[" + b",".join(raw.splitlines()) + b"]")]
    if len(samples) != rows:
        raise corrupt(path, f"should hold {rows} ids but holds {len(samples)}")
    return samples


def compare_fingerprints(expected: Mapping[str, Any], found: Mapping[str, Any], store: str) -> list[str]:
    """Name the fields in which two fingerprints differ.

    Args:
        expected: The fingerprint that the features should have.
        found: The fingerprint of a store.
        store: The store's location, for error messages.

    Returns:
        One clause per field; empty if the fingerprints are equal.
    """
    return [
        f"{field}: expected {expected.get(field)!r}, {store} has {found.get(field)!r}"
        for field in sorted({*expected, *found})
        if expected.get(field) != found.get(field)
    ]
