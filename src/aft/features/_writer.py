"""Write a store: commit its shards one by one, then finish it."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.core import is_url, remove_temporary_files
from aft.errors import CorruptStoreError, StoreError, UsageError
from aft.features._commit import write_file
from aft.features._index import NewIndex
from aft.features._layout import FORMAT, Layout
from aft.features._location import local_copy
from aft.features._mirror import Mirror
from aft.features._planning import check_arguments, make_plan, planned_samples, read_plan
from aft.features._records import Dtype, File, ListedShard, Manifest, Plan, PlannedShard, ShardRecord, read_ids
from aft.features._samples import Sample, Samples
from aft.features._shard import as_stored, check_size_and_header, write_shard
from aft.features._store import FeatureStore


class StoreWriter:
    """Writes a store shard by shard, in one process or several, in one run or several.

    Create a writer with `plan`, `commit` each shard of `pending`, then call `finish`. A shard exists if and
    only if its commit record does, so an interrupted extraction resumes without computing a committed shard
    again.

    Example:
        >>> writer = StoreWriter.plan("features/t", name="t", fingerprint={"model": "m"}, dim=8, samples=samples)
        >>> for shard in writer.pending():
        ...     writer.commit(shard, compute(writer.samples(shard)))
        >>> store = writer.finish()
    """

    def __init__(self, directory: Path, plan: Plan, mirror: Mirror | None = None) -> None:
        self._layout = Layout(directory)
        self._plan = plan
        self._mirror = mirror

    @property
    def directory(self) -> Path:
        """The store's directory; for a store in object storage, its copy on this machine."""
        return self._layout.directory

    @property
    def location(self) -> str | Path:
        """The store's directory, or its address in object storage."""
        return self.directory if self._mirror is None else self._mirror.url

    @property
    def dim(self) -> int:
        """Width of a row."""
        return self._plan.dim

    @classmethod
    def plan(
        cls,
        location: str | Path,
        *,
        name: str,
        fingerprint: Mapping[str, Any],
        dim: int,
        samples: Iterable[Sample],
        dtype: Dtype = "float16",
        shard_rows: int | None = None,
        overwrite: bool = False,
    ) -> "StoreWriter":
        """Plan a store, or resume the one that exists.

        Args:
            location: The store's directory, which is created if it is missing; or its address in object
                storage (``s3://...``), to which every commit is uploaded.
            name: The teacher's name, under which the objective knows it.
            fingerprint: What determines the features: model, weights, layer, preprocessing, precision.
            dim: Width of a row: of the features, times the number of views if the fingerprint has some.
            samples: Ids and input digests. Samples of an existing plan keep their shards; others get new
                shards.
            dtype: Type of the features on disk, ``"float16"`` or ``"float32"``.
            shard_rows: Rows per new shard. The default depends on the number of samples.
            overwrite: Remove an existing store that is corrupt, has another fingerprint, or was computed from
                other inputs with the same ids.

        Returns:
            A writer.

        Raises:
            UsageError: The name or type is invalid, ids repeat, or there are no samples.
            FingerprintError: The store holds other features; each differing field is named.
            CorruptStoreError: The existing plan or ids are not what was written.
            StoreError: The directory contains other files, or cannot be written.
        """
        listed = Samples.of(samples)
        positions = check_arguments(name, dtype, dim, listed, shard_rows)
        requested = Plan(format=FORMAT, name=name, fingerprint=dict(fingerprint), dim=dim, dtype=dtype, shards=[])
        if not is_url(location):
            layout = Layout(Path(location))
            plan = make_plan(layout, str(location), requested, listed, positions, shard_rows, overwrite)
            return cls(layout.directory, plan)
        mirror = Mirror(str(location))
        try:
            mirror.pull()
        except CorruptStoreError:
            if not overwrite:
                raise
            mirror.clear()
        else:
            mirror.refuse_foreign_files(overwrite)
        plan = make_plan(mirror.layout, mirror.url, requested, listed, positions, shard_rows, overwrite)
        mirror.push_plan()
        return cls(mirror.layout.directory, plan, mirror)

    @classmethod
    def resume(
        cls, location: str | Path, *, name: str, fingerprint: Mapping[str, Any], dim: int, dtype: Dtype = "float16"
    ) -> "StoreWriter":
        """Write to a store that another process has planned. Samples are not compared; see `samples`.

        Args:
            location: As for `plan`.
            name: As for `plan`.
            fingerprint: As for `plan`.
            dim: As for `plan`.
            dtype: As for `plan`.

        Returns:
            A writer.

        Raises:
            FingerprintError: The plan is for other features; each differing field is named.
            StoreError: There is no plan.
            CorruptStoreError: The plan is not what was written.
        """
        requested = Plan(format=FORMAT, name=name, fingerprint=dict(fingerprint), dim=dim, dtype=dtype, shards=[])
        mirror = Mirror(str(location)) if is_url(location) else None
        if mirror is not None:
            mirror.pull()
        layout = Layout(Path(location)) if mirror is None else mirror.layout
        return cls(layout.directory, read_plan(layout, str(location), requested), mirror)

    def refresh(self) -> None:
        """Download what other machines have committed to object storage."""
        if self._mirror is not None:
            self._mirror.pull()

    def pending(self) -> list[int]:
        """Numbers of the shards that are planned but not committed."""
        return [
            number
            for number, shard in enumerate(self._plan.shards)
            if shard is not None and not self._layout.record(number).exists()
        ]

    def shards(self) -> list[int]:
        """Numbers of all planned shards."""
        return [number for number, shard in enumerate(self._plan.shards) if shard is not None]

    def rows(self, shard: int) -> int:
        """Number of rows of a shard."""
        return self._planned(shard).rows

    def ids_digest(self, shard: int) -> str:
        """SHA-256 of the ids and input digests of a shard. Shards of two stores that are equal in it hold the same samples."""
        return self._planned(shard).ids.sha256

    def samples(self, shard: int) -> list[Sample]:
        """The samples of a shard, in the order of its rows."""
        planned = self._planned(shard)
        return read_ids(self._layout.ids(shard), planned.ids, planned.rows)

    def commit(self, shard: int, features: NDArray[np.generic]) -> None:
        """Write a shard durably.

        Args:
            shard: Number of the shard.
            features: Features ``(rows, dim)``, in the order of `samples`.

        Raises:
            BadFeatureError: The shape is wrong, or a value is NaN, infinite or beyond the range of the
                store's type.
            StoreError: The shard cannot be written. No partial file is left behind.
        """
        planned = self._planned(shard)
        array = as_stored(np.asarray(features), self.samples(shard), self._plan.dim, self._plan.dtype)
        record = write_shard(self._layout.data(shard), shard, array, self._plan.dtype, planned.ids)
        record.write(self._layout.record(shard))
        if self._mirror is not None:
            self._mirror.push_shard(shard)

    def finish(self) -> FeatureStore:
        """Write the index and the manifest.

        Returns:
            The opened store.

        Raises:
            StoreError: A shard is not committed yet.
            CorruptStoreError: A shard is not what was committed.
        """
        self.refresh()
        pending = self.pending()
        if pending:
            raise StoreError(
                f"a store can be finished once all its shards are committed; {len(pending)} of {len(self.shards())} "
                f"are missing in {str(self.directory)!r}; run the same extraction again"
            )
        listed, digest = [], hashlib.sha256()
        for number in self.shards():
            path = self._layout.record(number)
            record = ShardRecord.read(path)
            check_size_and_header(self._layout.data(number), record)
            digest.update(record.ids.sha256.encode())
            listed.append(ListedShard(number=number, rows=record.rows, record_sha256=record.sha256))
        index = self._write_index()
        manifest = Manifest(
            format=FORMAT,
            name=self._plan.name,
            fingerprint=self._plan.fingerprint,
            samples=digest.hexdigest(),
            dim=self._plan.dim,
            dtype=self._plan.dtype,
            rows=sum(shard.rows for shard in listed),
            index=index,
            shards=listed,
        )
        if not self._layout.manifest.exists() or self._layout.manifest.read_bytes() != manifest.encode():
            manifest.write(self._layout.manifest)
        for old in self.directory.glob("index-*.npy"):
            if old != self._layout.index(index.sha256):
                old.unlink()
        remove_temporary_files(self.directory)
        if self._mirror is not None:
            self._mirror.push_manifest()
        return FeatureStore.open(self.location)

    def _write_index(self) -> File:
        new = NewIndex(sum(map(self.rows, self.shards())))
        for number in self.shards():
            new.add(self.samples(number))
        digest = hashlib.sha256()
        for chunk in new.chunks():
            digest.update(chunk)
        size, sha256 = write_file(self._layout.index(digest.hexdigest()), new.chunks())
        return File(bytes=size, sha256=sha256)

    def _planned(self, shard: int) -> PlannedShard:
        planned = self._plan.shards[shard] if 0 <= shard < len(self._plan.shards) else None
        if planned is None:
            raise UsageError(f"a shard must be in the plan; received {shard}; see StoreWriter.shards()")
        return planned


def committed_ids(location: str | Path) -> set[str]:
    """Ids whose features are committed, whether or not the store is finished.

    Args:
        location: The store's directory, or its address in object storage.

    Returns:
        The ids; empty if there is no store.
    """
    layout = local_copy(location)
    if not layout.plan.exists():
        return set()
    planned = planned_samples(layout, Plan.read(layout.plan))
    return {sample.id for number, members in planned if layout.record(number).exists() for sample in members}
