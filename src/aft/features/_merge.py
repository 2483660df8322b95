"""Merge stores that hold the features of one model over subsets of a dataset."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Positions, StringsBuilder
from aft.errors import FingerprintError, UsageError, name_some
from aft.features._location import join_location, local_directory
from aft.features._records import compare_fingerprints
from aft.features._samples import Samples
from aft.features._store import FeatureStore
from aft.features._writer import StoreWriter

#: Rows that are compared at once.
CHUNK = 4096


def merge(stores: Sequence[FeatureStore | str | Path], *, out: str | Path, overwrite: bool = False) -> FeatureStore:
    """Merge stores of one model, for example those that several machines have written.

    Every block is verified when it is read. An interrupted merge resumes when it is called again.

    Args:
        stores: Stores of the same name, model and type, or their directories. A sample that occurs in several
            stores must have the same features in all of them.
        out: Directory of stores. The result is written to ``out/NAME``.
        overwrite: Replace an existing store of other features.

    Returns:
        The merged store. Its samples are in the order of the given stores.

    Raises:
        UsageError: No store was given, the result would replace one of the stores, or a sample has different
            features in two stores.
        FingerprintError: The stores are of different models, or an id has different inputs; each difference
            is named.
        CorruptStoreError: A store is corrupt.

    Example:
        >>> merge(["machine1/dinov2", "machine2/dinov2"], out="features")
        FeatureStore('dinov2', 7390 x 1536 float16, 'features/dinov2')
    """
    sources = [store if isinstance(store, FeatureStore) else FeatureStore.open(store) for store in stores]
    if not sources:
        raise UsageError("a merge needs at least one store; received none; name their directories")
    first, identity = sources[0], _identity(sources[0])
    target = join_location(out, first.name)
    if any(source.path.resolve() == local_directory(target).resolve() for source in sources):
        raise UsageError(
            f"a merge creates a new store; {str(target)!r} is one of the stores to merge; choose another out="
        )
    for source in sources[1:]:
        differences = compare_fingerprints(identity, _identity(source), str(source.path))
        if differences:
            raise FingerprintError(
                f"only stores of one model can be merged; {'; '.join(differences)}; extract one of them again"
            )
    ids, digests, owners = StringsBuilder(), StringsBuilder(), array("q")
    for number, source in enumerate(sources):
        earlier = _find_earlier(sources[:number], source)
        for sample, owner in zip(source.samples, earlier.tolist(), strict=True):
            if owner < 0:
                ids.append(sample.id)
                digests.append(sample.digest)
                owners.append(number)
    samples = Samples(ids.build(), digests.build())
    places, owner_of = Positions(samples.ids), np.frombuffer(owners, dtype=np.int64)
    writer = StoreWriter.plan(
        target, name=first.name, fingerprint={key: value for key, value in first.fingerprint.items() if key != "samples"},
        dim=first.dim * first.views, dtype="float16" if first.dtype == np.float16 else "float32", samples=samples, overwrite=overwrite,
    )  # fmt: skip
    for shard in writer.pending():
        members = [sample.id for sample in writer.samples(shard)]
        rows = np.empty((len(members), first.dim * first.views), dtype=first.dtype)
        mine = owner_of[places.find(members)]
        for number in np.unique(mine).tolist():
            positions = np.flatnonzero(mine == number)
            rows[positions] = _all_features(sources[number], [members[position] for position in positions.tolist()])
        writer.commit(shard, rows)
    return writer.finish()


def _all_features(store: FeatureStore, ids: Sequence[str]) -> NDArray[Any]:
    """The features of all views, one after the other: ``(n, views * dim)``."""
    return store.take_views(store.rows(ids)).reshape(len(ids), -1)


def _identity(store: FeatureStore) -> dict[str, object]:
    """The fields that must agree: all but the samples."""
    fields = {key: value for key, value in store.fingerprint.items() if key != "samples"}
    return {**fields, "name": store.name, "dim": store.dim, "dtype": store.dtype.name}


def _find_earlier(sources: Sequence[FeatureStore], source: FeatureStore) -> NDArray[np.int64]:
    """Which earlier store holds each sample of a store first, ``(n,)``; -1 for none. Both must hold the same of it.

    Raises:
        FingerprintError: The inputs of ids differ.
        UsageError: The features of samples differ.
    """
    owner = np.full(len(source), -1, dtype=np.int64)
    changed: list[str] = []
    for number, earlier in enumerate(sources):
        rows, _ = earlier.index.find(source.ids)
        repeated = np.flatnonzero((rows >= 0) & (owner < 0))
        owner[repeated] = number
        changed += [
            source.ids[mine]
            for mine, its in zip(repeated.tolist(), rows[repeated].tolist(), strict=True)
            if source.samples.digests[mine] != earlier.samples.digests[its]
        ]
    if changed:
        raise FingerprintError(
            f"an id must have the same input in every store; {str(source.path)!r} differs from earlier stores for "
            f"{len(changed)} ids, {name_some(changed)}; extract one of them again"
        )
    for number, earlier in enumerate(sources):
        _check_equal(earlier, source, [source.ids[place] for place in np.flatnonzero(owner == number).tolist()])
    return owner


def _check_equal(earlier: FeatureStore, source: FeatureStore, ids: Sequence[str]) -> None:
    """Check that repeated samples have the same features in two stores; otherwise one machine was wrong."""
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        different = np.flatnonzero((_all_features(earlier, chunk) != _all_features(source, chunk)).any(axis=1))
        if len(different):
            names = [chunk[int(position)] for position in different]
            raise UsageError(
                f"a sample must have the same features in every store; {str(source.path)!r} differs from earlier "
                f"stores for ids {name_some(names)}; omit that store, or extract it with the same settings and number "
                "of threads"
            )
