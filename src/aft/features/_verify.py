"""Reading a whole store to find every file that is not what was written."""

from pathlib import Path

from aft.errors import AftError
from aft.features._index import Index
from aft.features._mirror import local_copy
from aft.features._records import Manifest, Plan, ShardRecord, read_ids
from aft.features._shard import ShardReader


def verify(folder: str | Path) -> list[str]:
    """Check every byte of a finished store.

    Unlike opening, this does not stop at the first thing wrong.

    Args:
        folder: The store's folder; of one in object storage, its copy on this machine is read.

    Returns:
        One sentence a finding, each naming a file; empty where all is as written.

    Raises:
        StoreError: There is no readable manifest to check against.
    """
    layout = local_copy(folder)
    manifest = Manifest.read(layout.manifest)
    findings: list[str] = []

    def attempt(check: object) -> None:
        try:
            check()  # type: ignore[operator]
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
        attempt(lambda n=listed.number, r=record: read_ids(layout.ids(n), r.ids))
        attempt(lambda n=listed.number, r=record: ShardReader(layout.data(n), r).verify())
    return findings
