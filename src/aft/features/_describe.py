"""A description of a feature store, for ``aft inspect``."""

from pathlib import Path

from aft.core import format_size, is_url
from aft.features._store import FeatureStore
from aft.features._verify import verify as verify_store


def describe_store(path: str | Path, *, verify: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
    """Describe a feature store.

    Args:
        path: Its directory, or its address in object storage.
        verify: Read every byte and check it.

    Returns:
        Names and values of what the store contains, and a sentence for each thing that is wrong with it.

    Raises:
        StoreError: The store cannot be opened.
    """
    finished = is_url(path) or (Path(path) / "manifest.json").exists()
    findings = verify_store(path) if verify and finished else []
    if findings:
        return [("feature store", str(path))], findings
    store = FeatureStore.open(path)
    statistics = [record.statistics for record in store.records]
    zero_rows = sum(shard.zero_rows for shard in statistics)
    smallest, largest = min(shard.minimum for shard in statistics), max(shard.maximum for shard in statistics)
    intact = (
        "yes: every byte is as written" if verify else "small files, sizes and headers are; --verify reads everything"
    )
    rows = [
        ("feature store", str(path)),
        ("teacher", store.name),
        ("samples", f"{len(store):,} in {len(store.records)} shards"),
        (
            "features",
            f"{store.width} x {store.dtype}, {format_size(store.nbytes)}",
        ),
        ("values", f"{smallest:.4g} to {largest:.4g}"),
        *([("zero rows", f"{zero_rows:,}")] if zero_rows else []),
        *((key, str(value)) for key, value in store.fingerprint.items() if value is not None),
        ("intact", intact),
    ]
    return rows, []
