"""One store of several that hold the features of one model over parts of a dataset."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aft.errors import FingerprintError, UsageError, name_some
from aft.features._mirror import inside, local_folder
from aft.features._records import Sample, compare_fingerprints
from aft.features._store import FeatureStore
from aft.features._writer import StoreWriter


def merge(stores: Sequence[FeatureStore | str | Path], *, out: str | Path, overwrite: bool = False) -> FeatureStore:
    """Put stores of one model together: shards of several runs, on several machines say.

    Every block is verified as it is read. Interrupted, it goes on where it stopped when it is called again.

    Args:
        stores: Stores or their folders, of the same name, model and type. A sample that several hold must be the same in all.
        out: Folder of stores; the result becomes ``out/NAME``.
        overwrite: Replace a store of other features.

    Returns:
        The store; its samples are in the order of the stores.

    Raises:
        UsageError: No store, the result among the parts, or a sample with two different features.
        FingerprintError: Stores of different models, or inputs that differ under one id; each is named.
        CorruptStoreError: A part is not what was written.

    Example:
        >>> merge(["machine1/dinov2", "machine2/dinov2"], out="features")
        FeatureStore('dinov2', 7390 x 1536 float16, 'features/dinov2')
    """
    parts = [store if isinstance(store, FeatureStore) else FeatureStore.open(store) for store in stores]
    if not parts:
        raise UsageError("a merge needs at least one store; received none; name their folders")
    first, described = parts[0], _described(parts[0])
    folder = inside(out, first.name)
    if any(part.path.resolve() == local_folder(folder).resolve() for part in parts):
        raise UsageError(
            f"a merge writes a new store; received {str(folder)!r} as one of the parts; choose another --out"
        )
    for part in parts[1:]:
        differences = compare_fingerprints(described, _described(part), str(part.path))
        if differences:
            raise FingerprintError(
                f"stores of one model over unchanged inputs can be merged; {'; '.join(differences)}; extract one of them again"
            )
    owner: dict[str, int] = {}
    samples: list[Sample] = []
    digests: dict[str, str] = {}
    for number, part in enumerate(parts):
        again = [sample for sample in part.samples if sample.id in owner]
        changed = [sample.id for sample in again if digests[sample.id] != sample.digest]
        if changed:
            raise FingerprintError(
                f"an id stands for one input; {str(part.path)!r} holds others than the stores before it for {len(changed)} ids, "
                f"{name_some(changed)}; extract one of them again"
            )
        _check_equal(parts, owner, part, [sample.id for sample in again])
        for sample in part.samples:
            if sample.id not in owner:
                owner[sample.id], digests[sample.id] = number, sample.digest
                samples.append(sample)
    writer = StoreWriter.plan(
        folder, name=first.name, fingerprint={key: value for key, value in first.fingerprint.items() if key != "samples"},
        dim=first.dim, dtype="float16" if first.dtype == np.float16 else "float32", samples=samples, overwrite=overwrite,
    )  # fmt: skip
    for shard in writer.pending():
        ids = [sample.id for sample in writer.samples(shard)]
        rows = np.empty((len(ids), first.dim), dtype=first.dtype)
        for number in sorted({owner[sample_id] for sample_id in ids}):
            places = [place for place, sample_id in enumerate(ids) if owner[sample_id] == number]
            rows[places] = parts[number][[ids[place] for place in places]]
        writer.commit(shard, rows)
    return writer.finish()


def _described(store: FeatureStore) -> dict[str, object]:
    """What must agree; the samples are what must not."""
    rest = {key: value for key, value in store.fingerprint.items() if key != "samples"}
    return {**rest, "name": store.name, "dim": store.dim, "dtype": store.dtype.name}


def _check_equal(parts: Sequence[FeatureStore], owner: dict[str, int], part: FeatureStore, ids: Sequence[str]) -> None:
    """The same sample has the same features wherever it was computed, or one of two machines was wrong."""
    for start in range(0, len(ids), 4096):
        some = ids[start : start + 4096]
        before = np.stack([parts[owner[sample_id]][sample_id] for sample_id in some])
        different = np.flatnonzero((before != part[some]).any(axis=1))
        if len(different):
            names = [some[int(place)] for place in different]
            raise UsageError(
                f"a sample has one feature; {str(part.path)!r} holds other ones than the stores before it for ids {name_some(names)}; "
                "leave that store out, or extract it with the same settings and number of threads"
            )
