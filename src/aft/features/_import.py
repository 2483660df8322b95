"""Features that another tool computed: an embedding API, another framework."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.errors import StoreError, UsageError
from aft.features._records import Dtype, Sample
from aft.features._store import FeatureStore
from aft.features._writer import StoreWriter


def import_features(
    file: str | Path,
    *,
    ids: str | Path,
    name: str,
    out: str | Path,
    dtype: Dtype = "float32",
    overwrite: bool = False,
) -> FeatureStore:
    """Make a store of features that came from elsewhere, checked as strictly as our own.

    Args:
        file: A ``.npy`` array ``(N, D)`` of numbers; never unpickled.
        ids: A text file of N lines, the id of each row; a line that starts with ``"`` is read as a JSON string.
        name: The teacher's name; the store becomes the folder ``out/name``.
        out: Folder of stores.
        dtype: Type on disk.
        overwrite: Replace a store of other features.

    Returns:
        The store.

    Raises:
        StoreError: The file is not such an array.
        UsageError: Ids missing, left over or duplicate.
        BadFeatureError: NaN, infinity, or a value beyond the type; the ids are named.
        FingerprintError: ``out/name`` holds other features.

    Example:
        >>> import_features("api.npy", ids="ids.txt", name="text-embedding-3", out="features/")
    """
    path = Path(file)
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StoreError(
            f"imported features are a .npy array of numbers; {str(path)!r} is none ({error}); save it with numpy.save"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu":
        raise StoreError(
            f"imported features are an (N, D) array of numbers; received {array!r:.80}; save it with numpy.save"
        )
    try:
        lines = Path(ids).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"ids are a UTF-8 text file of one id a line; {str(ids)!r} is none ({error}); check the path"
        ) from error
    try:
        names = [str(json.loads(line)) if line.startswith('"') else line for line in lines]
    except ValueError as error:
        raise UsageError(
            f"an id that starts with a quote is a JSON string; {str(ids)!r} has one that is none ({error}); quote the whole line"
        ) from error
    if len(names) != len(array):
        raise UsageError(
            f"every row needs an id and every id a row; received {len(array)} rows and {len(names)} ids; check {str(ids)!r}"
        )
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    ids_digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    writer = StoreWriter.plan(
        Path(out) / name,
        name=name,
        fingerprint={"source": "imported", "file_sha256": digest, "ids_sha256": ids_digest},
        dim=array.shape[1],
        samples=[Sample(sample_id, "") for sample_id in names],
        dtype=dtype,
        overwrite=overwrite,
    )
    row = {sample_id: position for position, sample_id in enumerate(names)}
    for shard in writer.pending():
        writer.commit(shard, np.asarray(array[[row[sample.id] for sample in writer.samples(shard)]]))
    return writer.finish()
