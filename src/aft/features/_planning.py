"""Plan the shards of a store: create a plan, or extend the one that exists."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from aft.core import TEMPORARY
from aft.data import Positions
from aft.errors import FingerprintError, StoreError, UsageError, did_you_mean, name_some
from aft.features._commit import write_file
from aft.features._layout import Layout
from aft.features._records import (
    Dtype,
    File,
    Plan,
    PlannedShard,
    ShardRecord,
    compare_fingerprints,
    encode_ids,
    read_ids,
    views_of,
)
from aft.features._samples import Sample, Samples
from aft.features._shard import verify_shard

#: Rows of a shard below which views do not divide it further.
SMALLEST_SHARD = 32


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
    layout: Layout,
    location: str,
    requested: Plan,
    samples: Samples,
    positions: Positions,
    shard_rows: int | None,
    overwrite: bool,
) -> Plan:
    """Write a plan, or extend the one that exists.

    Args:
        layout: The store's files on this machine.
        location: The store's directory or address, for error messages.
        requested: Name, fingerprint, width and type of the features, without shards.
        samples: Ids and input digests.
        positions: Where each id is among the samples.
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
            coverage = _compare(layout, found, samples, positions)
            changed = coverage.changed
            if not changed:
                return _extend(layout, found, coverage, samples, shard_rows)
            differences = [
                f"the inputs of {len(changed)} ids have changed since they were extracted, {name_some(changed)}"
            ]
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
    return _extend(layout, requested, _Coverage([], np.zeros(len(samples), dtype=bool), []), samples, shard_rows)


def read_plan(layout: Layout, location: str, requested: Plan) -> Plan:
    """Read the plan that another process has written.

    Args:
        layout: The store's files on this machine.
        location: The store's directory or address, for error messages.
        requested: What this process would have planned, without shards.

    Returns:
        The plan.

    Raises:
        FingerprintError: It is for other features; each differing field is named.
        StoreError: There is none.
    """
    if not layout.plan.exists():
        raise StoreError(
            f"a store is planned by one process before others write to it; {location!r} has no plan; give all machines the same out="
        )
    found = Plan.read(layout.plan)
    differences = compare_fingerprints(_identity(requested), _identity(found), location)
    if differences:
        raise FingerprintError(
            f"every process that writes to a store runs the same model; {'; '.join(differences)}; give all machines the same model and packages"
        )
    return found


def planned_samples(layout: Layout, plan: Plan) -> Iterator[tuple[int, list[Sample]]]:
    """Read the samples of one planned shard after the other: the number of the shard, and its samples."""
    for number, shard in enumerate(plan.shards):
        if shard is not None:
            yield number, read_ids(layout.ids(number), shard.ids, shard.rows)


def check_arguments(name: str, dtype: str, dim: int, samples: Samples, shard_rows: int | None) -> Positions:
    """Check the arguments of a plan.

    Returns:
        Where each id is among the samples.

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
    positions = Positions(samples.ids)
    repeated = positions.repeated()
    if repeated:
        raise UsageError(
            f"ids must be unique; received {name_some(repeated)} more than once; name a column of unique ids with id="
        )
    return positions


def _identity(plan: Plan) -> dict[str, Any]:
    return {**plan.fingerprint, "dim": plan.dim, "dtype": plan.dtype, "name": plan.name}


def _is_corrupt(layout: Layout) -> bool:
    """Whether anything committed is not what was written; overwriting then starts from scratch."""
    try:
        planned = Plan.read(layout.plan).shards
        for number, shard in enumerate(planned):
            if shard is not None:
                read_ids(layout.ids(number), shard.ids, shard.rows)
                if layout.record(number).exists():
                    verify_shard(layout.data(number), ShardRecord.read(layout.record(number)))
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


class _Coverage(NamedTuple):
    """How a plan fits samples: ids whose inputs have changed, which samples have a shard, and shards that cannot be computed any more."""

    changed: list[str]
    covered: NDArray[np.bool_]
    abandoned: list[int]


def _compare(layout: Layout, plan: Plan, samples: Samples, positions: Positions) -> _Coverage:
    """Compare the planned samples with the given ones, shard by shard."""
    coverage = _Coverage([], np.zeros(len(samples), dtype=bool), [])
    for number, members in planned_samples(layout, plan):
        found = positions.find(member.id for member in members)
        places = found.tolist()
        # -1 for a sample that is not given now.
        same = [place >= 0 and samples.digests[place] == one.digest for place, one in zip(places, members, strict=True)]
        if layout.record(number).exists():
            other = [
                one.id for place, one, equal in zip(places, members, same, strict=True) if place >= 0 and not equal
            ]
            coverage.changed.extend(other)
        elif not all(same):
            coverage.abandoned.append(number)
            continue
        coverage.covered[found[found >= 0]] = True
    return coverage


def _extend(layout: Layout, plan: Plan, coverage: _Coverage, samples: Samples, shard_rows: int | None) -> Plan:
    """Keep shards that are committed or can still be computed, and plan new ones for the remaining samples."""
    shards: list[PlannedShard | None] = list(plan.shards)
    for number in coverage.abandoned:
        shards[number] = None
    views = views_of(plan.fingerprint)
    step = shard_rows or max(SMALLEST_SHARD, default_shard_rows(len(samples)) // views)
    for members in _parts(samples, ~coverage.covered, step):
        size, sha256 = write_file(layout.ids(len(shards)), [encode_ids(members)])
        shards.append(PlannedShard(rows=len(members), ids=File(bytes=size, sha256=sha256)))
    if shards == plan.shards and layout.plan.exists():
        return plan
    extended = plan.model_copy(update={"shards": shards})
    extended.write(layout.plan)
    return extended


def _parts(samples: Samples, chosen: NDArray[np.bool_], step: int) -> Iterator[list[Sample]]:
    """The chosen samples, so many at a time."""
    members: list[Sample] = []
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        members += [
            sample for sample, wanted in zip(part, chosen[start : start + step].tolist(), strict=True) if wanted
        ]
        if len(members) >= step:
            yield members[:step]
            members = members[step:]
    if members:
        yield members
