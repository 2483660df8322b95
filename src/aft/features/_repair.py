"""Dropping what is broken in a store, so that the extraction that made it goes on with what is left."""

from pathlib import Path

from aft.errors import StoreError, UsageError
from aft.features._index import Index
from aft.features._layout import Layout
from aft.features._mirror import is_url
from aft.features._records import Manifest, Plan, PlannedShard, ShardRecord, read_ids
from aft.features._shard import ShardReader
from aft.features._writer import StoreWriter


def repair(folder: str | Path) -> list[str]:
    """Read every byte of a store, finished or not, and remove each shard that is not what was written.

    What is intact stays as it is. A store that has lost a shard is unfinished: the same extraction, run again, computes that
    shard alone. One that has lost only its plan, its index or its manifest is finished again at once.

    No writer may be at work on the store meanwhile.

    Args:
        folder: The store's folder.

    Returns:
        A sentence a thing that was removed or written anew; empty where all was intact.

    Raises:
        UsageError: An address in object storage.
        StoreError: Neither plan nor manifest can be read: then nothing is touched.

    Example:
        >>> repair("features/dinov2")
        ["shard 3 was removed: 'features/dinov2/shard-000003.npy' is not what was written to it from row 0 on; ..."]
    """
    if is_url(folder):
        raise UsageError(
            f"a repair changes a folder of this machine; received {str(folder)!r}; remove both files of the broken shard there, "
            "its .json first, and run the same extraction again: it computes that shard alone"
        )
    layout = Layout(Path(folder))
    done: list[str] = []
    plan = _plan(layout, done)
    broken = {number: reason for number, shard in enumerate(plan.shards) if (reason := _trouble(layout, number, shard))}
    finished = layout.manifest.exists() or layout.manifest.is_symlink()
    trouble = _manifest_trouble(layout) if finished else ""
    if broken or trouble:
        # First of all the store must stop being a finished one.
        layout.manifest.unlink(missing_ok=True)
    for number, reason in broken.items():
        layout.record(number).unlink(missing_ok=True)  # a shard exists when its record does
        layout.data(number).unlink(missing_ok=True)
        done.append(f"shard {number} was removed: {reason}")
    # Where the ids are gone, nobody knows which samples the shard was for: they are planned anew.
    lost = {number for number in broken if not _has_ids(layout, number, plan.shards[number])}
    if lost:
        plan = plan.model_copy(update={"shards": [None if n in lost else shard for n, shard in enumerate(plan.shards)]})
        plan.write(layout.plan)
        for number in lost:
            layout.ids(number).unlink(missing_ok=True)
    writer = StoreWriter(layout.folder, plan)
    if trouble and not broken and writer.pending():
        done.append(f"the manifest was removed: {trouble}")
    elif trouble and not broken:
        for index in layout.folder.glob("index-*.npy"):
            index.unlink()
        writer.finish()
        done.append(f"index and manifest were written anew: {trouble}")
    return done


def _plan(layout: Layout, done: list[str]) -> Plan:
    """The plan; where it is broken, made again of manifest and records, which hold all that it says."""
    try:
        return Plan.read(layout.plan)
    except StoreError as error:
        try:
            manifest = Manifest.read(layout.manifest)
        except StoreError:
            raise StoreError(
                f"a store is repaired by its plan or its manifest; {str(layout.folder)!r} has neither in a readable state; extract it again with --overwrite"
            ) from error
        shards: list[PlannedShard | None] = [None] * (
            1 + max((listed.number for listed in manifest.shards), default=-1)
        )
        for listed in manifest.shards:
            try:
                record = ShardRecord.read(layout.record(listed.number))
            except StoreError:
                continue  # which ids it was for cannot be known
            shards[listed.number] = PlannedShard(rows=record.rows, ids=record.ids)
        plan = Plan(
            format=manifest.format, name=manifest.name, fingerprint=manifest.fingerprint, dim=manifest.dim, dtype=manifest.dtype,
            shards=shards,
        )  # fmt: skip
        layout.plan.unlink(missing_ok=True)
        plan.write(layout.plan)
        done.append(f"the plan was written anew from the manifest: {error}")
        return plan


def _trouble(layout: Layout, number: int, planned: PlannedShard | None) -> str:
    """What is wrong with a shard; empty for one that is intact, or not computed yet."""
    committed = layout.record(number).exists() or layout.record(number).is_symlink()
    if planned is None:
        return f"{str(layout.record(number))!r} is of no planned shard" if committed else ""
    try:
        read_ids(layout.ids(number), planned.ids)
        if committed:
            record = ShardRecord.read(layout.record(number))
            if (record.number, record.rows, record.ids) != (number, planned.rows, planned.ids):
                return f"{str(layout.record(number))!r} is the record of another shard than the plan's"
            ShardReader(layout.data(number), record).verify()
    except StoreError as error:
        return str(error)
    return ""


def _has_ids(layout: Layout, number: int, planned: PlannedShard | None) -> bool:
    try:
        return planned is not None and bool(read_ids(layout.ids(number), planned.ids))
    except StoreError:
        return False


def _manifest_trouble(layout: Layout) -> str:
    try:
        manifest = Manifest.read(layout.manifest)
        Index(layout.index(manifest.index.sha256), manifest.rows, manifest.index).verify()
        for listed in manifest.shards:
            if ShardRecord.read(layout.record(listed.number)).sha256 != listed.record_sha256:
                return f"{str(layout.record(listed.number))!r} is not the record that the manifest lists"
    except StoreError as error:
        return str(error)
    return ""
