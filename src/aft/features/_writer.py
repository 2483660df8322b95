"""Planning a store, committing its shards, finishing it."""

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from aft.errors import CorruptStoreError, FingerprintError, StoreError, UsageError, did_you_mean, name_some
from aft.features._commit import remove_temporary_files, write_file
from aft.features._index import build_index, index_chunks
from aft.features._layout import FORMAT, Layout
from aft.features._mirror import Mirror, is_url, local_copy
from aft.features._records import (
    Dtype,
    File,
    ListedShard,
    Manifest,
    Plan,
    PlannedShard,
    Sample,
    ShardRecord,
    compare_fingerprints,
    encode_ids,
    read_ids,
)
from aft.features._shard import ShardReader, as_stored, check_size_and_header, write_shard
from aft.features._store import FeatureStore

#: The samples of each shard of a plan, by the shard's number.
Planned = dict[int, list[Sample]]


def default_shard_rows(samples: int) -> int:
    """Rows a shard for a dataset of this size: little is lost to an interruption, and shards stay countable."""
    rows = 256
    while rows < 65536 and samples > rows * 200:
        rows *= 2
    return rows


class StoreWriter:
    """Write a store, shard by shard, in one process or many, in one go or several.

    Make one with `plan`, hand each of `pending` to `commit`, then call `finish`. Whatever interrupts this, running it again goes
    on where it stopped: a shard exists when its commit record does, and nothing committed is computed again.
    """

    def __init__(self, folder: Path, plan: Plan, mirror: Mirror | None = None) -> None:
        self._layout = Layout(folder)
        self._plan = plan
        self._mirror = mirror

    @property
    def folder(self) -> Path:
        """The store's folder; of one in object storage, its copy here."""
        return self._layout.folder

    @property
    def place(self) -> str | Path:
        """The folder, or the address in object storage."""
        return self.folder if self._mirror is None else self._mirror.url

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self._plan.dim

    @classmethod
    def plan(
        cls,
        folder: str | Path,
        *,
        name: str,
        fingerprint: Mapping[str, Any],
        dim: int,
        samples: Iterable[Sample],
        dtype: Dtype = "float16",
        shard_rows: int | None = None,
        overwrite: bool = False,
    ) -> "StoreWriter":
        """Plan a store, or go on with the one that is there.

        Args:
            folder: The store's folder, made if missing; or its address in object storage (``s3://...``): then each commit goes there.
            name: The teacher's name, the objective's key.
            fingerprint: What the features are of: model, weights, layer, preprocessing, precision.
            dim: Width of the features.
            samples: Ids and input digests. Samples that the folder's plan has are kept as they are; others get new shards.
            dtype: ``"float16"`` or ``"float32"``.
            shard_rows: Rows a new shard; by default by the number of samples.
            overwrite: Remove a store of another fingerprint, with other inputs under the same ids, or that is damaged.

        Returns:
            A writer.

        Raises:
            UsageError: A bad name or type, duplicate ids, or no sample.
            FingerprintError: The folder holds features of something else; each differing field is named.
            CorruptStoreError: The folder's plan or ids are not what was written.
        """
        listed = list(samples)
        _check_arguments(name, dtype, dim, listed, shard_rows)
        asked = Plan(format=FORMAT, name=name, fingerprint=dict(fingerprint), dim=dim, dtype=dtype, shards=[])
        if not is_url(folder):
            layout = Layout(Path(folder))
            return cls(layout.folder, _plan(layout, str(folder), asked, listed, shard_rows, overwrite))
        mirror = Mirror(str(folder))
        try:
            mirror.pull()
        except CorruptStoreError:
            if not overwrite:
                raise
            mirror.clear()
        else:
            mirror.refuse_others(overwrite)
        plan = _plan(mirror.layout, mirror.url, asked, listed, shard_rows, overwrite)
        mirror.push_plan()
        return cls(mirror.layout.folder, plan, mirror)

    def refresh(self) -> None:
        """Bring here what other machines have committed to object storage."""
        if self._mirror is not None:
            self._mirror.pull()

    def pending(self) -> list[int]:
        """Numbers of the shards that are planned and not committed."""
        return [
            number
            for number, shard in enumerate(self._plan.shards)
            if shard is not None and not self._layout.record(number).exists()
        ]

    def shards(self) -> list[int]:
        """Numbers of all shards of the plan."""
        return [number for number, shard in enumerate(self._plan.shards) if shard is not None]

    def rows(self, shard: int) -> int:
        """How many rows a shard has."""
        return self._planned(shard).rows

    def samples(self, shard: int) -> list[Sample]:
        """The samples of a shard, in the order of its rows."""
        return read_ids(self._layout.ids(shard), self._planned(shard).ids)

    def commit(self, shard: int, features: NDArray[np.generic]) -> None:
        """Write a shard for good.

        Args:
            shard: Its number.
            features: ``(rows, dim)``, in the order of `samples`.

        Raises:
            BadFeatureError: Another shape, NaN, infinity, or a value beyond the store's type; the ids are named.
            StoreError: The disk refused; nothing is left behind.
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
                f"a store is finished when all its shards are; {len(pending)} of {len(self.shards())} are missing in "
                f"{str(self.folder)!r}; run the same extraction again"
            )
        listed, samples, digest = [], [], hashlib.sha256()
        for number in self.shards():
            path = self._layout.record(number)
            record = ShardRecord.read(path)
            check_size_and_header(self._layout.data(number), record)
            samples += self.samples(number)
            digest.update(record.ids.sha256.encode())
            listed.append(ListedShard(number=number, rows=record.rows, record_sha256=record.sha256))
        entries = build_index(samples)
        whole = hashlib.sha256()
        for chunk in index_chunks(entries):
            whole.update(chunk)
        path = self._layout.index(whole.hexdigest())
        size, sha256 = write_file(path, index_chunks(entries))
        manifest = Manifest(
            format=FORMAT,
            name=self._plan.name,
            fingerprint=self._plan.fingerprint,
            samples=digest.hexdigest(),
            dim=self._plan.dim,
            dtype=self._plan.dtype,
            rows=len(samples),
            index=File(bytes=size, sha256=sha256),
            shards=listed,
        )
        if not self._layout.manifest.exists() or self._layout.manifest.read_bytes() != manifest.encode():
            manifest.write(self._layout.manifest)
        for old in self.folder.glob("index-*.npy"):
            if old != path:
                old.unlink()
        remove_temporary_files(self.folder)
        if self._mirror is not None:
            self._mirror.push_end()
        return FeatureStore.open(self.place)

    def _planned(self, shard: int) -> PlannedShard:
        planned = self._plan.shards[shard] if 0 <= shard < len(self._plan.shards) else None
        if planned is None:
            raise UsageError(f"a shard is one of the plan's; received {shard}; see StoreWriter.shards()")
        return planned


def committed_ids(folder: str | Path) -> set[str]:
    """Ids whose features are safe on disk, in a store finished or not.

    Args:
        folder: The store's folder or address.

    Returns:
        The ids; none where there is no store.
    """
    layout = local_copy(folder)
    if not layout.plan.exists():
        return set()
    planned = _planned_samples(layout, Plan.read(layout.plan))
    return {sample.id for number, members in planned.items() if layout.record(number).exists() for sample in members}


def _plan(
    layout: Layout, where: str, asked: Plan, samples: Sequence[Sample], shard_rows: int | None, overwrite: bool
) -> Plan:
    """Write a plan, or extend the one that is there.

    Args:
        layout: The store's files on this machine.
        where: Its place, for the text.
        asked: What the features are of; without shards.
        samples: Ids and input digests.
        shard_rows: Rows of a new shard.
        overwrite: Remove what does not fit.
    """
    if layout.folder.exists() and not layout.plan.exists() and any(layout.folder.iterdir()):
        _refuse_foreign_files(layout.folder)
    if overwrite and layout.plan.exists() and _is_damaged(layout):
        shutil.rmtree(layout.folder)
    if layout.plan.exists():
        found = Plan.read(layout.plan)
        differences = compare_fingerprints(_described(asked), _described(found), where)
        if not differences:
            members = _planned_samples(layout, found)
            differences = _changed_inputs(layout, members, samples)
            if not differences:
                return _extend(layout, found, members, samples, shard_rows)
        if not overwrite:
            raise FingerprintError(
                f"a store holds the features of one model over unchanged inputs; {'; '.join(differences)}; "
                "choose another --out or NAME, or pass --overwrite"
            )
        shutil.rmtree(layout.folder)
    try:
        layout.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"a store needs a folder that can be made; received {error.strerror!r} for {str(layout.folder)!r}; "
            "choose another --out"
        ) from error
    return _extend(layout, asked, {}, samples, shard_rows)


def _described(plan: Plan) -> dict[str, Any]:
    return {**plan.fingerprint, "dim": plan.dim, "dtype": plan.dtype, "name": plan.name}


def _is_damaged(layout: Layout) -> bool:
    """Whether anything committed is not what was written: then ``overwrite`` starts anew instead of going on."""
    try:
        planned = Plan.read(layout.plan).shards
        for number, shard in enumerate(planned):
            if shard is not None:
                read_ids(layout.ids(number), shard.ids)
                if layout.record(number).exists():
                    ShardReader(layout.data(number), ShardRecord.read(layout.record(number))).verify()
    except StoreError:
        return True
    return False


def _check_arguments(name: str, dtype: str, dim: int, samples: Sequence[Sample], shard_rows: int | None) -> None:
    if not name or name in (".", "..") or any(c in name for c in "/\\\0\n") or name.startswith("."):
        raise UsageError(
            f"a store's name is a plain folder name; received {name!r}; use letters, digits, '-', '_' and '.'"
        )
    if dtype not in get_args(Dtype):
        raise UsageError(f"unknown dtype {dtype!r}{did_you_mean(str(dtype), get_args(Dtype))}")
    if dim < 1:
        raise UsageError(f"features have at least one dimension; received {dim}; check the layer and the pooling")
    if shard_rows is not None and shard_rows < 1:
        raise UsageError(
            f"a shard has at least one row; received shard_rows={shard_rows}; leave it out for a good default"
        )
    if not samples:
        raise UsageError("a store needs at least one sample; received none; check the dataset")
    seen: set[str] = set()
    twice = [sample.id for sample in samples if sample.id in seen or seen.add(sample.id)]  # type: ignore[func-returns-value]
    if twice:
        raise UsageError(
            f"ids must differ; received {len(twice)} of them twice, {name_some(twice)}; name a column of unique ids with --id"
        )


def _refuse_foreign_files(folder: Path) -> None:
    foreign = [p.name for p in folder.iterdir() if not (p.name.startswith((".writing-", "shard-")))]
    if foreign:
        raise StoreError(
            f"a new store needs an empty folder; {str(folder)!r} holds {name_some(sorted(foreign))}; choose another --out or NAME"
        )


def _planned_samples(layout: Layout, plan: Plan) -> Planned:
    return {n: read_ids(layout.ids(n), shard.ids) for n, shard in enumerate(plan.shards) if shard is not None}


def _changed_inputs(layout: Layout, planned: Planned, samples: Sequence[Sample]) -> list[str]:
    now = {sample.id: sample.digest for sample in samples}
    changed = [
        sample.id
        for number, members in planned.items()
        if layout.record(number).exists()
        for sample in members
        if now.get(sample.id, sample.digest) != sample.digest
    ]
    if not changed:
        return []
    return [f"the inputs of {len(changed)} ids changed since they were extracted, {name_some(changed)}"]


def _extend(layout: Layout, plan: Plan, planned: Planned, samples: Sequence[Sample], shard_rows: int | None) -> Plan:
    """Keep every shard that is committed or can still be computed, and plan new ones for the other samples."""
    now = dict(samples)
    kept: list[PlannedShard | None] = list(plan.shards)
    covered: set[str] = set()
    for number, members in planned.items():
        if layout.record(number).exists() or all(now.get(s.id) == s.digest for s in members):
            covered.update(s.id for s in members)
        else:
            kept[number] = None
    rest = [sample for sample in samples if sample.id not in covered]
    step = shard_rows or default_shard_rows(len(samples))
    for start in range(0, len(rest), step):
        part = rest[start : start + step]
        size, sha256 = write_file(layout.ids(len(kept)), [encode_ids(part)])
        kept.append(PlannedShard(rows=len(part), ids=File(bytes=size, sha256=sha256)))
    if kept == plan.shards and layout.plan.exists():
        return plan
    extended = plan.model_copy(update={"shards": kept})
    extended.write(layout.plan)
    return extended
