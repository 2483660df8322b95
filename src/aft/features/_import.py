"""Import features that another tool has computed, such as an embedding API or another framework."""

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aft.core import file_sha256
from aft.data import Positions
from aft.errors import UsageError, did_you_mean
from aft.features._location import join_location
from aft.features._records import Dtype
from aft.features._samples import Samples
from aft.features._store import FeatureStore
from aft.features._vectors import VectorFile, open_vectors
from aft.features._writer import StoreWriter

#: Parts of a sample.
PARTS = ("image", "text")


def import_features(
    file: str | Path,
    *,
    ids: str | Path | None = None,
    name: str,
    out: str | Path,
    id: str = "id",  # noqa: A002 - the standard name of this column
    vector: str | None = None,
    dtype: Dtype = "float32",
    reads: str | None = None,
    overwrite: bool = False,
) -> FeatureStore:
    """Create a store from features that another tool has computed, checked as strictly as extracted ones.

    An interrupted import resumes when it is called again.

    Args:
        file: A ``.npy`` array ``(N, D)`` of numbers, which is never unpickled; a ``.parquet`` table with one
            column of lists, or one column of numbers per dimension; or a ``.jsonl`` file with one object per
            line.
        ids: For an array, a text file with the id of each row, one per line. A line that starts with ``"`` is
            parsed as a JSON string.
        name: The teacher's name. The store is written to ``out/name``.
        out: Directory of stores.
        id: Column or field of ids, in a table or in JSON lines.
        vector: Column or field of vectors. By default it is the only one that contains lists of numbers, or
            all columns of numbers. In JSON lines, dots separate nested fields:
            ``response.body.data.0.embedding``.
        dtype: Type on disk, ``"float16"`` or ``"float32"``.
        reads: Where samples are images with texts, the part that the tool has read: ``"image"`` or ``"text"``. Products of the
            parts are learnt from; see `factors_of`.
        overwrite: Replace an existing store of other features.

    Returns:
        The store.

    Raises:
        StoreError: The file does not have a supported format, or a vector is not a list of numbers.
        UsageError: Ids are missing, superfluous or repeated, or a field or the part does not exist.
        BadFeatureError: A value is NaN, infinite or beyond the range of the type; the ids are named.
        FingerprintError: ``out/name`` holds other features.

    Example:
        >>> import_features("api.npy", ids="ids.txt", name="text-embedding-3", out="features/")
        >>> vector = "response.body.data.0.embedding"
        >>> import_features("api.jsonl", id="custom_id", vector=vector, name="api", out="features/")
    """
    if reads not in (None, *PARTS):
        raise UsageError(f"reads= is a part of a sample; received {reads!r}{did_you_mean(str(reads), PARTS)}")
    path = Path(file)
    vectors = open_vectors(path, None if ids is None else Path(ids), id, vector)
    ids_digest = hashlib.sha256(json.dumps(vectors.ids).encode()).hexdigest()
    writer = StoreWriter.plan(
        join_location(out, name),
        name=name,
        fingerprint={
            "source": "imported", "file_sha256": file_sha256(path), "ids_sha256": ids_digest,
            **({"vector": vector} if vector else {}), **({"reads": reads} if reads else {}),
        },
        dim=vectors.dim,
        samples=Samples(vectors.ids, [""] * len(vectors.ids)),
        dtype=dtype,
        overwrite=overwrite,
    )  # fmt: skip
    _commit_all(writer, vectors)
    return writer.finish()


def _commit_all(writer: StoreWriter, vectors: VectorFile) -> None:
    """Read the file once, assign rows to shards by id, and commit each shard when it is complete."""
    places = Positions(vectors.ids)
    shard_of, row_of = (np.full(len(vectors.ids), -1, dtype=np.int64) for _ in range(2))
    for shard in writer.pending():
        positions = places.find(sample.id for sample in writer.samples(shard))
        shard_of[positions], row_of[positions] = shard, np.arange(len(positions))
    missing = {shard: writer.rows(shard) for shard in writer.pending()}
    buffers: dict[int, NDArray[np.float64]] = {}
    start = 0
    for chunk in vectors.chunks() if missing else ():
        shards = shard_of[start : start + len(chunk)]
        for shard in np.unique(shards[shards >= 0]).tolist():
            mine = np.flatnonzero(shards == shard)
            buffer = buffers.setdefault(shard, np.empty((writer.rows(shard), vectors.dim)))
            buffer[row_of[start + mine]] = chunk[mine]
            missing[shard] -= len(mine)
            if not missing[shard]:
                writer.commit(shard, buffers.pop(shard))
        start += len(chunk)
