"""Features that another tool computed: an embedding API, another framework."""

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aft.features._foreign import Foreign, open_foreign
from aft.features._mirror import inside
from aft.features._records import Dtype, Sample
from aft.features._store import FeatureStore
from aft.features._writer import StoreWriter


def import_features(
    file: str | Path,
    *,
    ids: str | Path | None = None,
    name: str,
    out: str | Path,
    id: str = "id",  # noqa: A002 - what the column is called everywhere
    vector: str | None = None,
    dtype: Dtype = "float32",
    overwrite: bool = False,
) -> FeatureStore:
    """Make a store of features that came from elsewhere, checked as strictly as our own.

    Interrupted, it goes on where it stopped when it is called again.

    Args:
        file: A ``.npy`` array ``(N, D)`` of numbers, never unpickled; a ``.parquet`` table with a column of lists or a column of numbers a dimension;
            or ``.jsonl``, an object a line.
        ids: For an array: a text file of N lines, the id of each row; a line that starts with ``"`` is read as a JSON string.
        name: The teacher's name; the store becomes the folder ``out/name``.
        out: Folder of stores.
        id: Column or field of ids, in a table or in lines.
        vector: Column or field of vectors; by default the only one that holds lists of numbers, or all columns of numbers. In lines, dots lead
            deeper: ``response.body.data.0.embedding``.
        dtype: Type on disk.
        overwrite: Replace a store of other features.

    Returns:
        The store.

    Raises:
        StoreError: The file is not such a file, or a vector is none.
        UsageError: Ids missing, left over or duplicate, or a field that is not there.
        BadFeatureError: NaN, infinity, or a value beyond the type; the ids are named.
        FingerprintError: ``out/name`` holds other features.

    Example:
        >>> import_features("api.npy", ids="ids.txt", name="text-embedding-3", out="features/")
        >>> import_features("api.jsonl", id="custom_id", vector="response.body.data.0.embedding", name="api", out="features/")
    """
    path = Path(file)
    foreign = open_foreign(path, None if ids is None else Path(ids), id, vector)
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    ids_digest = hashlib.sha256(json.dumps(foreign.ids).encode()).hexdigest()
    writer = StoreWriter.plan(
        inside(out, name),
        name=name,
        fingerprint={
            "source": "imported", "file_sha256": digest, "ids_sha256": ids_digest, **({"vector": vector} if vector else {}),
        },
        dim=foreign.dim,
        samples=[Sample(sample_id, "") for sample_id in foreign.ids],
        dtype=dtype,
        overwrite=overwrite,
    )  # fmt: skip
    _commit_all(writer, foreign)
    return writer.finish()


def _commit_all(writer: StoreWriter, foreign: Foreign) -> None:
    """Pass over the file once, joining rows to shards by id; each shard is committed as soon as its last row has come."""
    place = {sample_id: position for position, sample_id in enumerate(foreign.ids)}
    shard_of, row_of = (np.full(len(place), -1, dtype=np.int64) for _ in range(2))
    for shard in writer.pending():
        positions = [place[sample.id] for sample in writer.samples(shard)]
        shard_of[positions], row_of[positions] = shard, np.arange(len(positions))
    missing = {shard: writer.rows(shard) for shard in writer.pending()}
    held: dict[int, NDArray[np.float64]] = {}
    start = 0
    for chunk in foreign.chunks() if missing else ():
        owners = shard_of[start : start + len(chunk)]
        for shard in np.unique(owners[owners >= 0]).tolist():
            mine = np.flatnonzero(owners == shard)
            buffer = held.setdefault(shard, np.empty((writer.rows(shard), foreign.dim)))
            buffer[row_of[start + mine]] = chunk[mine]
            missing[shard] -= len(mine)
            if not missing[shard]:
                writer.commit(shard, held.pop(shard))
        start += len(chunk)
