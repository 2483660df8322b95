"""Plan the shards of a store: create a plan, or extend the one that exists."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from aft.core import TEMPORARY
from aft.errors import FingerprintError, StoreError, UsageError, did_you_mean, name_some
from aft.features._commit import write_file
from aft.features._layout import Layout
from aft.features._records import (
    Dtype,
    File,
    Plan,
    PlannedShard,
    Sample,
    ShardRecord,
    compare_fingerprints,
    encode_ids,
    read_ids,
    views_of,
)
from aft.features._shard import ShardReader

#: Rows of a shard below which views do not divide it further.
SMALLEST_SHARD = 32
#: The samples of each planned shard, by the number of the shard.
PlannedSamples = dict[int, list[Sample]]


def default_shard_rows(samples: int) -> int:
    """Default number of rows per shard: an interruption loses little, and the number of files stays moderate.

    Args:
        samples: Number of samples.

    Returns:
        A power of two from 256 to 65,536.
    """
    rows = 256
    while rows < 65536 and samples > rows * 200:
        rows *= 2
    return rows


def make_plan(
    layout: Layout, location: str, requested: Plan, samples: Sequence[Sample], shard_rows: int | None, overwrite: bool
) -> Plan:
    """Write a plan, or extend the one that exists.

    Args:
        layout: The store's files on this machine.
        location: The store's directory or address, for error messages.
        requested: Name, fingerprint, width and type of the features, without shards.
        samples: Ids and input digests.
        shard_rows: Rows per new shard.
        overwrite: Remove an existing store that is corrupt or holds other features.

    Returns:
        The plan as written.

    Raises:
        FingerprintError: The store holds other features; each differing field is named.
        StoreError: The directory contains other files, or cannot be created.
    """
    if layout.directory.exists() and not layout.plan.exists() and any(layout.directory.iterdir()):
        _refuse_foreign_files(layout.directory)
    if overwrite and layout.plan.exists() and _is_corrupt(layout):
        shutil.rmtree(layout.directory)
    if layout.plan.exists():
        found = Plan.read(layout.plan)
        differences = compare_fingerprints(_identity(requested), _identity(found), location)
        if not differences:
            planned = planned_samples(layout, found)
            differences = _changed_inputs(layout, planned, samples)
            if not differences:
                return _extend(layout, found, planned, samples, shard_rows)
        if not overwrite:
            raise FingerprintError(
                f"a store holds the features of one model over unchanged inputs; {'; '.join(differences)}; "
                "choose another out= or another name for the store, or pass overwrite=True"
            )
        shutil.rmtree(layout.directory)
    try:
        layout.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"a store's directory must be creatable; received {error.strerror!r} for {str(layout.directory)!r}; "
            "choose another out="
        ) from error
    return _extend(layout, requested, {}, samples, shard_rows)


def planned_samples(layout: Layout, plan: Plan) -> PlannedSamples:
    """Read the samples of every planned shard."""
    return {n: read_ids(layout.ids(n), shard.ids) for n, shard in enumerate(plan.shards) if shard is not None}


def check_arguments(name: str, dtype: str, dim: int, samples: Sequence[Sample], shard_rows: int | None) -> None:
    """Check the arguments of a plan.

    Raises:
        UsageError: The name, type, width or number of rows is invalid, ids repeat, or there are no samples.
    """
    if not name or name in (".", "..") or any(c in name for c in "/\\\0\n") or name.startswith("."):
        raise UsageError(
            f"a store's name must be a plain directory name; received {name!r}; use letters, digits, '-', '_' and '.'"
        )
    if dtype not in get_args(Dtype):
        raise UsageError(f"unknown dtype {dtype!r}{did_you_mean(str(dtype), get_args(Dtype))}")
    if dim < 1:
        raise UsageError(f"features have at least one dimension; received {dim}; check the layer and the pooling")
    if shard_rows is not None and shard_rows < 1:
        raise UsageError(f"a shard has at least one row; received shard_rows={shard_rows}; omit it to use the default")
    if not samples:
        raise UsageError("a store needs at least one sample; received none; check the dataset")
    repeated = [sample_id for sample_id, count in Counter(sample.id for sample in samples).items() if count > 1]
    if repeated:
        raise UsageError(
            f"ids must be unique; received {name_some(repeated)} more than once; name a column of unique ids with id="
        )


def _identity(plan: Plan) -> dict[str, Any]:
    return {**plan.fingerprint, "dim": plan.dim, "dtype": plan.dtype, "name": plan.name}


def _is_corrupt(layout: Layout) -> bool:
    """Whether anything committed is not what was written; overwriting then starts from scratch."""
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


def _refuse_foreign_files(directory: Path) -> None:
    foreign = [path.name for path in directory.iterdir() if not path.name.startswith((TEMPORARY, "shard-"))]
    if foreign:
        raise StoreError(
            f"a new store needs an empty directory; {str(directory)!r} contains {name_some(sorted(foreign))}; "
            "choose another out= or another name for the store"
        )


def _changed_inputs(layout: Layout, planned: PlannedSamples, samples: Sequence[Sample]) -> list[str]:
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
    return [f"the inputs of {len(changed)} ids have changed since they were extracted, {name_some(changed)}"]


def _extend(
    layout: Layout, plan: Plan, planned: PlannedSamples, samples: Sequence[Sample], shard_rows: int | None
) -> Plan:
    """Keep shards that are committed or can still be computed, and plan new ones for the remaining samples."""
    now = dict(samples)
    shards: list[PlannedShard | None] = list(plan.shards)
    covered: set[str] = set()
    for number, members in planned.items():
        if layout.record(number).exists() or all(now.get(s.id) == s.digest for s in members):
            covered.update(s.id for s in members)
        else:
            shards[number] = None
    remaining = [sample for sample in samples if sample.id not in covered]
    views = views_of(plan.fingerprint)
    step = shard_rows or max(SMALLEST_SHARD, default_shard_rows(len(samples)) // views)
    for start in range(0, len(remaining), step):
        members = remaining[start : start + step]
        size, sha256 = write_file(layout.ids(len(shards)), [encode_ids(members)])
        shards.append(PlannedShard(rows=len(members), ids=File(bytes=size, sha256=sha256)))
    if shards == plan.shards and layout.plan.exists():
        return plan
    extended = plan.model_copy(update={"shards": shards})
    extended.write(layout.plan)
    return extended
