"""What a folder holds: a feature store, or a run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aft.errors import UsageError, printable
from aft.features import FeatureStore, is_url
from aft.features import verify as verify_store
from aft.core import format_size


@dataclass(frozen=True)
class Inspection:
    """What was seen.

    Attributes:
        lines: What the folder holds, a line each.
        findings: What is wrong with it, a sentence each.
    """

    lines: Sequence[str]
    findings: Sequence[str] = ()


def describe(path: str | Path, *, verify: bool = False) -> Inspection:
    """Tell what a feature store or a run holds.

    Args:
        path: The folder, or the address of a store in object storage.
        verify: Read every byte and check it.

    Returns:
        The description.

    Raises:
        UsageError: Neither a store nor a run.
        StoreError: A store that cannot be opened.
        RunError: A run that cannot be read.
    """
    if is_url(path):
        return _store(path, verify)
    folder = Path(path)
    if (folder / "config.json").exists():
        return _run(folder, verify)
    if (folder / "plan.json").exists() or (folder / "manifest.json").exists():
        return _store(folder, verify)
    inner = sorted(p.parent.name for p in folder.glob("*/manifest.json")) if folder.is_dir() else []
    hint = f"did you mean {str(folder / inner[0])!r}?" if inner else "name the folder of one"
    raise UsageError(f"aft inspect takes a feature store or a run folder; {str(folder)!r} is neither; {hint}")


def _store(folder: str | Path, verify: bool) -> Inspection:
    findings = verify_store(folder) if verify and (is_url(folder) or (Path(folder) / "manifest.json").exists()) else []
    if findings:
        return Inspection([f"feature store {folder}"], findings)
    store = FeatureStore.open(folder)
    records = store.records
    zero = sum(record.statistics.zero_rows for record in records)
    rows = [
        ("feature store", str(folder)),
        ("teacher", store.name),
        ("samples", f"{len(store):,} in {len(records)} shards"),
        ("features", f"{store.dim} x {store.dtype}, {format_size(store.nbytes)}"),
        (
            "values",
            f"{min(r.statistics.minimum for r in records):.4g} to {max(r.statistics.maximum for r in records):.4g}",
        ),
        *([("zero rows", f"{zero:,}")] if zero else []),
        *[(key, str(value)) for key, value in store.fingerprint.items() if value is not None],
        (
            "intact",
            "every byte was read and is as written"
            if verify
            else "small files, sizes and headers are; --verify reads all",
        ),
    ]
    return Inspection(_aligned(rows))


def _run(folder: Path, verify: bool) -> Inspection:
    from aft.training import Run, RunLayout, gate_weights, read_json

    layout = RunLayout(folder)
    run, config = Run.open(folder), read_json(layout.config, "a run")
    result: dict[str, Any] = run.result
    selection, test = result["selection"], result["test"]
    rows = [
        ("run", str(folder)),
        (
            "student",
            f"{config['settings']['student']}, {run.parameters:,} parameters, {format_size(layout.weights.stat().st_size)}",
        ),
        ("task", f"{config['targets']['kind']}: {', '.join(config['targets']['classes'][:12]) or 'a number'}"),
        ("samples", ", ".join(f"{count:,} {name}" for name, count in result["samples"].items())),
        (
            "method",
            f"{run.method}, {run.strength} beta {run.beta:g}, {run.steps} steps of {result['batch_size']}, seed {result['seed']}",
        ),
        ("choice", selection["chosen"] if selection else "given, not chosen"),
        ("time", f"{run.seconds:.1f} s, {result['waiting_for_data']:.0%} of it waiting for data"),
        (
            "test",
            f"{test['error_name']} {test['error']:.4f} on {test['samples']:,} samples" if test else "no test part",
        ),
    ]
    gates = gate_weights(folder)
    for name, weights in (gates or {}).items():
        strongest = ", ".join(f"{int(i)} ({float(weights[i]):.2f})" for i in weights.argsort(descending=True)[:5])
        half = float((weights > 0.5).float().mean())
        rows.append((f"gates {name}", f"mean {float(weights.mean()):.3f}, {half:.0%} above 0.5, strongest {strongest}"))
    findings = []
    if verify:
        with layout.weights.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != result["weights_sha256"]:
                findings.append(
                    f"{str(layout.weights)!r} is not what was written to it; restore it from a copy or train again"
                )
        rows.append(("intact", "no" if findings else "the weights are as written"))
    return Inspection(_aligned(rows), findings)


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    rows = [(printable(name), value) for name, value in rows]
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {printable(value)}" for name, value in rows]
