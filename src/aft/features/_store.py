"""Opening and reading a feature store."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from aft.errors import CorruptStoreError, FingerprintError, StoreError, UnknownIdError, name_some
from aft.features._index import Index, digest_heads
from aft.features._layout import Layout
from aft.features._mirror import is_url, local_copy
from aft.features._records import Manifest, Plan, Sample, ShardRecord, read_ids
from aft.features._shard import ShardReader, check_size_and_header

#: Shards held open at once: each holds a file descriptor.
OPEN_SHARDS = 256


class FeatureStore:
    """One teacher's features of one dataset, read by sample id.

    Rows are memory-mapped and every block is verified when it is first read: memory grows with the batch, not the store.
    A store handed to another process opens itself there.

    Example:
        >>> store = FeatureStore.open("features/dinov2")
        >>> store[["id1", "id2"]].shape
        (2, 1536)
    """

    def __init__(
        self, folder: Path, manifest: Manifest, records: list[ShardRecord], index: Index, place: str | Path
    ) -> None:
        self._layout = Layout(folder)
        self._place = place
        self._manifest = manifest
        self._records = records
        self._index = index
        self._starts = np.concatenate([[0], np.cumsum([record.rows for record in records])]).astype(np.int64)
        self._open: OrderedDict[int, ShardReader] = OrderedDict()

    @classmethod
    def open(cls, folder: str | Path) -> "FeatureStore":
        """Open a store, checking its small files and every shard's size and header.

        Args:
            folder: The store's folder, or its address in object storage (``s3://...``), whose files are copied into the cache folder
                of this machine, each checked, unless they are there.

        Returns:
            The store.

        Raises:
            StoreError: There is no finished store, or one of a newer format.
            CorruptStoreError: A file is not what was written; it is named.
        """
        layout = local_copy(folder)
        if not layout.manifest.exists():
            _explain_absence(layout, folder)
        manifest = Manifest.read(layout.manifest)
        records = []
        for listed in manifest.shards:
            path = layout.record(listed.number)
            if not path.exists():
                raise CorruptStoreError(f"'{folder}/{path.name}' is missing; restore it from a copy or extract again")
            record = ShardRecord.read(path)
            same = record.sha256 == listed.record_sha256
            if not same or (record.rows, record.dim, record.dtype) != (listed.rows, manifest.dim, manifest.dtype):
                raise CorruptStoreError(
                    f"'{folder}/{path.name}' is not the record that the manifest lists; restore it from a copy or extract again"
                )
            check_size_and_header(layout.data(listed.number), record)
            ids = layout.ids(listed.number)
            if not ids.is_file() or ids.is_symlink() or ids.stat().st_size != record.ids.bytes:
                raise CorruptStoreError(
                    f"{str(ids)!r} is missing or has another size than was written; restore it from a copy or extract again"
                )
            records.append(record)
        if sum(record.rows for record in records) != manifest.rows:
            raise CorruptStoreError(
                f"the shards of {str(folder)!r} do not add up to its manifest; restore it from a copy or extract again"
            )
        index = Index(layout.index(manifest.index.sha256), manifest.rows, manifest.index)
        return cls(layout.folder, manifest, records, index, folder if is_url(folder) else layout.folder)

    @property
    def path(self) -> Path:
        """The store's folder; of one in object storage, its copy on this machine."""
        return self._layout.folder

    @property
    def place(self) -> str | Path:
        """The folder, or the address in object storage."""
        return self._place

    @property
    def name(self) -> str:
        """The teacher's name: the objective's key."""
        return self._manifest.name

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self._manifest.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the features on disk."""
        return np.dtype(self._manifest.dtype)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the features are of: model, weights, layer, preprocessing, precision, and a digest of ids and inputs."""
        return {**self._manifest.fingerprint, "samples": self._manifest.samples}

    @property
    def nbytes(self) -> int:
        """Bytes of features on disk."""
        return sum(record.data.bytes for record in self._records)

    @property
    def records(self) -> list[ShardRecord]:
        """The commit record of each shard."""
        return list(self._records)

    @property
    def index(self) -> Index:
        """From id to row."""
        return self._index

    @cached_property
    def samples(self) -> list[Sample]:
        """Ids and input digests, in the order of rows; read whole when first asked for."""
        numbers = [listed.number for listed in self._manifest.shards]
        return [
            sample
            for number, record in zip(numbers, self._records, strict=True)
            for sample in read_ids(self._layout.ids(number), record.ids)
        ]

    @property
    def ids(self) -> list[str]:
        """Ids, in the order of rows."""
        return [sample.id for sample in self.samples]

    def __len__(self) -> int:
        """Number of samples."""
        return self._manifest.rows

    def __contains__(self, sample_id: object) -> bool:
        """Whether the store holds a sample."""
        return isinstance(sample_id, str) and bool(self._index.find([sample_id])[0][0] >= 0)

    def rows(self, ids: Sequence[str], digests: Sequence[str] | None = None) -> NDArray[np.int64]:
        """Find samples once, to read them many times with `take`.

        Args:
            ids: Ids, repeats allowed.
            digests: Digests of their inputs, if these must be the ones that the teacher saw.

        Returns:
            Rows ``(n,)``.

        Raises:
            UnknownIdError: Ids that the store does not hold; some are named.
            FingerprintError: Inputs that have changed since they were extracted; some ids are named.
            CorruptStoreError: The index is not what was written.
        """
        rows, heads = self._index.find(ids)
        missing = [ids[int(i)] for i in np.flatnonzero(rows < 0)]
        if missing:
            raise UnknownIdError(
                f"every sample needs a feature; store {str(self.path)!r} lacks {len(missing)} of {len(ids)} ids, "
                f"{name_some(missing)}; run aft extract on this dataset to add them"
            )
        if digests is not None:
            # A store of imported features knows nothing of inputs.
            changed = np.flatnonzero((heads != digest_heads(digests)) & (heads != 0))
            if len(changed):
                raise FingerprintError(
                    f"features must be of the inputs at hand; {len(changed)} inputs changed since store {str(self.path)!r} was "
                    f"extracted, ids {name_some([ids[int(i)] for i in changed])}; extract them again with --overwrite"
                )
        return rows

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows.

        Args:
            rows: ``(n,)``, from `rows`.

        Returns:
            ``(n, dim)`` in the store's type, in the order asked.

        Raises:
            CorruptStoreError: A block is not what was written.
        """
        rows = np.asarray(rows, dtype=np.int64)
        out = np.empty((len(rows), self.dim), dtype=self.dtype)
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(shards, kind="stable")
        edges = np.flatnonzero(np.diff(shards[order], prepend=-1, append=-1))
        for start, stop in pairwise(edges):
            places = order[start:stop]
            shard = int(shards[places[0]])
            self._reader(shard).take(rows[places] - self._starts[shard], out, places)
        return out

    @overload
    def __getitem__(self, key: str) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, key: Sequence[str]) -> NDArray[Any]: ...
    def __getitem__(self, key: str | Sequence[str]) -> NDArray[Any]:
        """Features by id: ``(dim,)`` for one id, ``(n, dim)`` for a list of n."""
        if isinstance(key, str):
            vector: NDArray[Any] = self.take(self.rows([key]))[0]
            return vector
        return self.take(self.rows(list(key)))

    def verify(self) -> None:
        """Read everything and check it.

        Raises:
            CorruptStoreError: A file is not what was written; the first is named.
        """
        self._index.verify()
        _ = self.samples
        for shard in range(len(self._records)):
            self._reader(shard).verify()

    def _reader(self, shard: int) -> ShardReader:
        if shard in self._open:
            self._open.move_to_end(shard)
        else:
            self._open[shard] = ShardReader(
                self._layout.data(self._manifest.shards[shard].number), self._records[shard]
            )
            if len(self._open) > OPEN_SHARDS:
                self._open.popitem(last=False)
        return self._open[shard]

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process opens the store itself."""
        return FeatureStore.open, (self.path,)

    def __repr__(self) -> str:
        """Name, size and place."""
        return f"FeatureStore({self.name!r}, {len(self)} x {self.dim} {self.dtype}, {str(self.place)!r})"


def _explain_absence(layout: Layout, place: str | Path) -> None:
    if layout.plan.exists():
        plan = Plan.read(layout.plan)
        planned = [n for n, shard in enumerate(plan.shards) if shard is not None]
        done = sum(layout.record(n).exists() for n in planned)
        raise StoreError(
            f"features can be read when their extraction is finished; {str(place)!r} has {done} of {len(planned)} shards; "
            "run the same aft extract again: it goes on where it stopped"
        )
    inner = sorted(path.parent.name for path in layout.folder.glob("*/manifest.json")) if layout.folder.is_dir() else []
    hint = f"; did you mean {str(layout.folder / inner[0])!r}?" if inner else "; make one with aft extract"
    raise StoreError(f"a feature store is a folder with a manifest.json; there is none in {str(place)!r}{hint}")
