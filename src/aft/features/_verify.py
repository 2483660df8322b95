"""Read a whole store and report every file that is not what was written."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from aft.errors import AftError
from aft.features._index import Index
from aft.features._location import local_copy
from aft.features._records import Manifest, Plan, ShardRecord, read_ids
from aft.features._shard import verify_shard


def verify(location: str | Path) -> list[str]:
    """Verify every byte of a finished store.

    Unlike `FeatureStore.open`, this does not stop at the first corrupt file.

    Args:
        location: The store's directory. For an address in object storage, the copy on this machine is
            verified.

    Returns:
        One sentence per finding, each naming a file; empty if the store is intact.

    Raises:
        StoreError: There is no readable manifest to compare with.

    Example:
        >>> verify("features/dinov2")
        []
    """
    layout = local_copy(location)
    manifest = Manifest.read(layout.manifest)
    findings: list[str] = []

    def attempt(check: Callable[[], object]) -> None:
        try:
            check()
        except AftError as error:
            findings.append(str(error))

    attempt(lambda: Plan.read(layout.plan))
    attempt(lambda: Index(layout.index(manifest.index.sha256), manifest.rows, manifest.index).verify())
    for listed in manifest.shards:
        path = layout.record(listed.number)
        try:
            record = ShardRecord.read(path)
        except AftError as error:
            findings.append(str(error))
            continue
        if record.sha256 != listed.record_sha256:
            findings.append(f"{str(path)!r} is not the record that the manifest lists")
            continue
        attempt(partial(read_ids, layout.ids(listed.number), record.ids, record.rows))
        attempt(partial(verify_shard, layout.data(listed.number), record))
    return findings
