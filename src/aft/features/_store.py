"""Open and read a feature store."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from aft.core import is_url
from aft.errors import FingerprintError, StoreError, UnknownIdError, UsageError, name_some
from aft.features._corrupt import corrupt
from aft.features._index import CHUNK, Index, digest_heads
from aft.features._layout import Layout
from aft.features._location import local_copy
from aft.features._mapped import MappedShards
from aft.features._records import Manifest, Plan, ShardRecord, read_ids, views_of
from aft.features._samples import Samples
from aft.features._shard import check_size_and_header

if TYPE_CHECKING:
    from torch import Tensor


class FeatureStore:
    """The features of one dataset by one teacher, read by sample id.

    Rows are memory-mapped, and every block is verified when it is first read, so memory use grows with the
    batch and not with the store. A pickled store is reopened by the process that unpickles it.

    Example:
        >>> store = FeatureStore.open("features/dinov2")
        >>> store[["id1", "id2"]].shape
        (2, 1536)
    """

    def __init__(
        self, directory: Path, manifest: Manifest, records: list[ShardRecord], index: Index, location: str | Path
    ) -> None:
        self._layout = Layout(directory)
        self._location = location
        self._manifest = manifest
        self._records = records
        self._index = index

    @classmethod
    def open(cls, location: str | Path) -> "FeatureStore":
        """Open a store. Its small files, and the size and header of every shard, are checked.

        Args:
            location: The store's directory, or its address in object storage (``s3://...``). Files in object
                storage are downloaded to the cache directory of this machine, and verified, unless they are
                already there.

        Returns:
            The store.

        Raises:
            StoreError: There is no store, it is unfinished, or it has a newer format.
            CorruptStoreError: A file is not what was written; it is named.
        """
        layout = local_copy(location)
        if not layout.manifest.exists():
            raise _unreadable(layout, location)
        manifest = Manifest.read(layout.manifest)
        records = []
        for listed in manifest.shards:
            path = layout.record(listed.number)
            source = f"{location}/{path.name}"
            record = ShardRecord.read_known(path, listed.record_sha256, source)
            if (record.rows, record.dim, record.dtype) != (listed.rows, manifest.dim, manifest.dtype):
                raise corrupt(source, "is not the one that the manifest lists")
            check_size_and_header(layout.data(listed.number), record)
            ids = layout.ids(listed.number)
            if not ids.is_file() or ids.is_symlink() or ids.stat().st_size != record.ids.bytes:
                raise corrupt(ids, "is missing or has the wrong size")
            records.append(record)
        if sum(record.rows for record in records) != manifest.rows:
            raise corrupt(layout.manifest, "does not have the same number of rows as its shards")
        index = Index(layout.index(manifest.index.sha256), manifest.rows, manifest.index)
        return cls(layout.directory, manifest, records, index, location if is_url(location) else layout.directory)

    @property
    def path(self) -> Path:
        """The store's directory; for a store in object storage, its copy on this machine."""
        return self._layout.directory

    @property
    def location(self) -> str | Path:
        """The store's directory, or its address in object storage."""
        return self._location

    @property
    def name(self) -> str:
        """The teacher's name, under which the objective knows it."""
        return self._manifest.name

    @property
    def dim(self) -> int:
        """Width D of the features."""
        return self._manifest.dim // self.views

    @cached_property
    def views(self) -> int:
        """Number K of views of each sample; 1 if there are only the features of the samples themselves."""
        return views_of(self._manifest.fingerprint)

    @property
    def width(self) -> str:
        """What is kept of a sample, in words: ``768``, or ``8 views x 768``."""
        return f"{self.views} views x {self.dim}" if self.views > 1 else str(self.dim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the features on disk."""
        return np.dtype(self._manifest.dtype)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What determines the features: model, weights, layer, preprocessing, precision, ids and inputs."""
        return {**self._manifest.fingerprint, "samples": self._manifest.samples}

    @property
    def nbytes(self) -> int:
        """Size of the features on disk, in bytes."""
        return sum(record.data.bytes for record in self._records)

    @property
    def records(self) -> list[ShardRecord]:
        """The commit record of each shard."""
        return list(self._records)

    @property
    def index(self) -> Index:
        """The index from id to row."""
        return self._index

    @cached_property
    def samples(self) -> Samples:
        """Ids and input digests in the order of rows. They are read from disk on first access."""
        numbers = [listed.number for listed in self._manifest.shards]
        return Samples.of(
            sample
            for number, record in zip(numbers, self._records, strict=True)
            for sample in read_ids(self._layout.ids(number), record.ids, record.rows)
        )

    @property
    def ids(self) -> Sequence[str]:
        """Ids in the order of rows."""
        return self.samples.ids

    def __len__(self) -> int:
        """Number of samples."""
        return self._manifest.rows

    def __contains__(self, sample_id: object) -> bool:
        """Whether the store holds a sample."""
        return isinstance(sample_id, str) and bool(self._index.find([sample_id])[0][0] >= 0)

    def rows(self, ids: Sequence[str], digests: Sequence[str] | None = None) -> NDArray[np.int64]:
        """Look up samples once, to read them many times with `take`.

        Args:
            ids: Ids. Repeats are allowed.
            digests: Digests of the samples' inputs, to check that the teacher saw the same inputs.

        Returns:
            Rows ``(n,)``.

        Raises:
            UnknownIdError: The store lacks some ids; the first few are named.
            FingerprintError: Inputs have changed since they were extracted; the first few ids are named.
            CorruptStoreError: The index is not what was written.
        """
        rows, heads = self._index.find(ids)
        missing = [ids[int(i)] for i in np.flatnonzero(rows < 0)]
        if missing:
            raise UnknownIdError(
                f"every sample needs features; store {str(self.path)!r} lacks {len(missing)} of {len(ids)} ids, "
                f"{name_some(missing)}; run aft extract on this dataset to add them"
            )
        if digests is not None:
            # A store of imported features has no digests of inputs.
            different = np.zeros(len(rows), dtype=bool)
            for start in range(0, len(rows), CHUNK):
                part = slice(start, start + CHUNK)
                different[part] = (heads[part] != digest_heads(digests[part])) & (heads[part] != 0)
            changed = [ids[place] for place in np.flatnonzero(different).tolist()]
            if changed:
                raise FingerprintError(
                    f"features must belong to the current inputs; {len(changed)} inputs have changed since store "
                    f"{str(self.path)!r} was extracted, ids {name_some(changed)}; "
                    "extract them again with overwrite=True"
                )
        return rows

    def take(self, rows: NDArray[np.int64], views: NDArray[np.int64] | int = 0) -> NDArray[Any]:
        """Read rows.

        Args:
            rows: Rows ``(n,)`` from `rows`.
            views: The view of all of them, or of each, ``(n,)``; 0 is the sample itself.

        Returns:
            Features ``(n, dim)`` in the store's type, in the same order.

        Raises:
            UsageError: A row or a view that the store does not hold.
            CorruptStoreError: A block is not what was written.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if not rows.size:
            return np.empty((0, self.dim), dtype=self.dtype)
        if rows.min() < 0 or rows.max() >= len(self):
            raise UsageError(
                f"a row is a number below the store's {len(self):,}; received {int(rows.min())} to {int(rows.max())} for store "
                f"{str(self.path)!r}; look rows up with store.rows(ids)"
            )
        lowest, highest = (views, views) if isinstance(views, int) else (int(views.min()), int(views.max()))
        if lowest < 0 or highest >= self.views:
            raise UsageError(
                f"a view is a number below the store's {self.views}; received {highest} for store {str(self.path)!r}; extract more "
                "with views="
            )
        return self._shards.take(rows, views)

    @cached_property
    def _shards(self) -> MappedShards:
        paths = [self._layout.data(listed.number) for listed in self._manifest.shards]
        return MappedShards(paths, self._records, self.views)

    def take_views(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read all views of rows: ``(n, views, dim)``."""
        return np.stack([self.take(rows, view) for view in range(self.views)], axis=1)

    @overload
    def __getitem__(self, key: str) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, key: Sequence[str]) -> NDArray[Any]: ...
    def __getitem__(self, key: str | Sequence[str]) -> NDArray[Any]:
        """Features of samples by id, without augmentation: ``(dim,)`` for one id, ``(n, dim)`` for a list of n ids."""
        if isinstance(key, str):
            vector: NDArray[Any] = self.take(self.rows([key]))[0]
            return vector
        return self.take(self.rows(list(key)))

    def tensor(self, ids: Sequence[str], views: NDArray[np.int64] | int = 0) -> "Tensor":
        """Features of some samples as an objective takes them.

        Args:
            ids: Ids.
            views: As for `take`.

        Returns:
            ``(n, dim)``, float32, on the CPU.

        Raises:
            UnknownIdError: The store lacks some ids.

        Example:
            >>> loss = task_loss + objective(student_features, {"dinov2": store.tensor(batch_ids)})
        """
        import torch  # only here: reading stores does not need it

        return torch.from_numpy(self.take(self.rows(list(ids)), views).astype(np.float32))

    def verify(self) -> None:
        """Read and verify every file.

        Raises:
            CorruptStoreError: A file is not what was written; the first such file is named.
        """
        self._index.verify()
        _ = self.samples
        self._shards.verify()

    def __reduce__(self) -> tuple[Any, ...]:
        """Reopen the store where it is unpickled; it must be the same one."""
        return _reopen, (self.path, self._manifest.index.sha256, self._manifest.fingerprint)

    def __repr__(self) -> str:
        """Name, size and location."""
        return f"FeatureStore({self.name!r}, {len(self)} x {self.width} {self.dtype}, {str(self.location)!r})"


def _reopen(path: Path, index: str, fingerprint: dict[str, Any]) -> FeatureStore:
    store = FeatureStore.open(path)
    if (store._manifest.index.sha256, store._manifest.fingerprint) != (index, fingerprint):
        raise StoreError(
            f"a store must stay as it is while several processes read it; {str(path)!r} has been replaced meanwhile; run the command again"
        )
    return store


def _unreadable(layout: Layout, location: str | Path) -> StoreError:
    """The error for a store without a manifest."""
    if layout.plan.exists():
        plan = Plan.read(layout.plan)
        planned = [number for number, shard in enumerate(plan.shards) if shard is not None]
        committed = sum(layout.record(number).exists() for number in planned)
        return StoreError(
            f"features can be read once their extraction is finished; {str(location)!r} has {committed} of "
            f"{len(planned)} shards; run the same aft extract again to resume it"
        )
    directory = layout.directory
    inner = sorted(path.parent.name for path in directory.glob("*/manifest.json")) if directory.is_dir() else []
    hint = f"did you mean {str(directory / inner[0])!r}?" if inner else "create one with aft extract"
    return StoreError(f"a feature store contains 'manifest.json'; {str(location)!r} does not; {hint}")
