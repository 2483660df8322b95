"""Remove corrupt shards from a store, so that the extraction that created it can compute them again."""

from pathlib import Path

from aft.core import is_url
from aft.errors import StoreError, UsageError
from aft.features._index import Index
from aft.features._layout import Layout
from aft.features._records import Manifest, Plan, PlannedShard, ShardRecord, read_ids
from aft.features._shard import verify_shard
from aft.features._writer import StoreWriter


def repair(directory: str | Path) -> list[str]:
    """Read every byte of a store, finished or not, and remove each shard that is not what was written.

    Intact shards are kept. A store that has lost a shard becomes unfinished, and the same extraction, run
    again, computes only that shard. If only the plan, the index or the manifest is corrupt, it is rebuilt at
    once.

    Do not repair a store while a writer is working on it.

    Args:
        directory: The store's directory.

    Returns:
        One sentence per file or shard that was removed or rebuilt; empty if the store was intact.

    Raises:
        UsageError: The store is in object storage.
        StoreError: Neither the plan nor the manifest is readable. Nothing is changed.

    Example:
        >>> repair("features/dinov2")
        ["shard 3 was removed: 'features/dinov2/shard-000003.npy' does not match its checksum ...; ..."]
    """
    if is_url(directory):
        raise UsageError(
            f"only a directory of this machine can be repaired; received {str(directory)!r}; remove both files of the "
            "corrupt shard from object storage, its .json file first, and run the same extraction again to compute it"
        )
    layout = Layout(Path(directory))
    actions: list[str] = []
    plan = _read_or_rebuild_plan(layout, actions)
    broken = {n: problem for n, shard in enumerate(plan.shards) if (problem := _shard_problem(layout, n, shard))}
    finished = layout.manifest.exists() or layout.manifest.is_symlink()
    manifest_problem = _manifest_problem(layout) if finished else ""
    if broken or manifest_problem:
        # The manifest goes first: without it the store is unfinished, whatever interrupts the repair.
        layout.manifest.unlink(missing_ok=True)
    for number, problem in broken.items():
        layout.record(number).unlink(missing_ok=True)  # before the data: a shard exists if its record does
        layout.data(number).unlink(missing_ok=True)
        actions.append(f"shard {number} was removed: {problem}")
    # Without its ids, a shard's samples are unknown; the next extraction plans new shards for them.
    lost = {number for number in broken if not _has_ids(layout, number, plan.shards[number])}
    if lost:
        plan = plan.model_copy(update={"shards": [None if n in lost else shard for n, shard in enumerate(plan.shards)]})
        plan.write(layout.plan)
        for number in lost:
            layout.ids(number).unlink(missing_ok=True)
    writer = StoreWriter(layout.directory, plan)
    if manifest_problem and not broken and writer.pending():
        actions.append(f"the manifest was removed: {manifest_problem}")
    elif manifest_problem and not broken:
        for index in layout.directory.glob("index-*.npy"):
            index.unlink()
        writer.finish()
        actions.append(f"the index and the manifest were rebuilt: {manifest_problem}")
    return actions


def _read_or_rebuild_plan(layout: Layout, actions: list[str]) -> Plan:
    """Read the plan. A corrupt one is rebuilt from the manifest and the records."""
    try:
        return Plan.read(layout.plan)
    except StoreError as error:
        try:
            manifest = Manifest.read(layout.manifest)
        except StoreError:
            raise StoreError(
                f"a repair needs a readable plan or manifest; {str(layout.directory)!r} has neither; "
                "extract the features again with overwrite=True"
            ) from error
        shards: list[PlannedShard | None] = [None] * (
            1 + max((listed.number for listed in manifest.shards), default=-1)
        )
        for listed in manifest.shards:
            try:
                record = ShardRecord.read(layout.record(listed.number))
            except StoreError:
                continue  # the ids of this shard cannot be determined
            shards[listed.number] = PlannedShard(rows=record.rows, ids=record.ids)
        plan = Plan(
            format=manifest.format, name=manifest.name, fingerprint=manifest.fingerprint, dim=manifest.dim,
            dtype=manifest.dtype, shards=shards,
        )  # fmt: skip
        layout.plan.unlink(missing_ok=True)
        plan.write(layout.plan)
        actions.append(f"the plan was rebuilt from the manifest: {error}")
        return plan


def _shard_problem(layout: Layout, number: int, planned: PlannedShard | None) -> str:
    """What is wrong with a shard; empty if it is intact, or not computed yet."""
    committed = layout.record(number).exists() or layout.record(number).is_symlink()
    if planned is None:
        return f"{str(layout.record(number))!r} does not belong to a planned shard" if committed else ""
    try:
        read_ids(layout.ids(number), planned.ids, planned.rows)
        if committed:
            record = ShardRecord.read(layout.record(number))
            if (record.number, record.rows, record.ids) != (number, planned.rows, planned.ids):
                return f"{str(layout.record(number))!r} is the record of a different shard"
            verify_shard(layout.data(number), record)
    except StoreError as error:
        return str(error)
    return ""


def _has_ids(layout: Layout, number: int, planned: PlannedShard | None) -> bool:
    try:
        return planned is not None and bool(read_ids(layout.ids(number), planned.ids, planned.rows))
    except StoreError:
        return False


def _manifest_problem(layout: Layout) -> str:
    try:
        manifest = Manifest.read(layout.manifest)
        Index(layout.index(manifest.index.sha256), manifest.rows, manifest.index).verify()
        for listed in manifest.shards:
            if ShardRecord.read(layout.record(listed.number)).sha256 != listed.record_sha256:
                return f"{str(layout.record(listed.number))!r} is not the record that the manifest lists"
    except StoreError as error:
        return str(error)
    return ""
