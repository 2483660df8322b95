"""Finished trainings, a row each: what is in it is never trained again."""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aft
from aft.comparison._training_spec import Job
from aft.objectives import objective_class, objectives_of
from aft.core import append_jsonl, read_jsonl

Row = dict[str, Any]

#: What a training's numbers depend on, beside its objective's own file.
_ROOMS = ("models", "data/_targets.py", "evaluation/_metrics.py")
_TRAINING = ("_batches.py", "_config.py", "_data.py", "_fit.py", "_loss.py", "_parts.py", "_training.py")
_OBJECTIVES = (
    "_base.py",
    "_kernels.py",
    "_strength.py",
    "_probe.py",
    "_probe_solver.py",
    "_probe_ridge.py",
    "_logme.py",
)


class Journal:
    """Rows in a JSONL file, one a training, added as they come.

    A row is found by what was trained, and on what: cell, method, settings, seed. One that other code has made is stale:
    it stays in the file, marked by the hash that it carries, and is trained again.

    Args:
        path: The file, made when the first row comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, Row] = {}
        for row in read_jsonl(path):
            if "key" in row:
                self._rows[row["key"]] = row

    def find(self, job: Job, cell_digest: str) -> Row | None:
        """The row of a job, if the code of today has made it."""
        row = self._rows.get(key_of(job, cell_digest))
        return row if row is not None and row["code"] == code_of(job.method) else None

    def add(self, job: Job, cell_digest: str, content: Row) -> Row:
        """Keep a row; it is on disk when this returns."""
        row = {
            "key": key_of(job, cell_digest), "code": code_of(job.method), "aft": aft.__version__, **job.describe(), **content,
        }  # fmt: skip
        self._rows[row["key"]] = row
        append_jsonl(self.path, row)
        return row

    def stale(self) -> list[Row]:
        """Rows that other code has made."""
        return [row for row in self._rows.values() if row["code"] != code_of(row["method"])]

    def renew(self, rows: Iterable[Row]) -> None:
        """Take stale rows for good, in memory: for a change of code that is shown to change no number; `prune` writes them."""
        for row in rows:
            row["code"] = code_of(row["method"])

    def prune(self) -> int:
        """Rewrite the file with the newest row of each training alone; returns how many rows it then has."""
        temporary = self.path.with_name(f".writing-{self.path.name}")
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows.values()]
        temporary.write_text("".join(lines), encoding="utf-8")
        temporary.replace(self.path)
        return len(lines)


def key_of(job: Job, cell_digest: str) -> str:
    """What a row is found by."""
    content = json.dumps({**job.describe(), "cell": cell_digest}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


@functools.cache
def code_of(method: str) -> str:
    """A hash of the code that a method's numbers depend on, whatever its comments, docstrings and layout."""
    root = Path(aft.__file__).parent
    files = [root / "training" / name for name in _TRAINING]
    files += [root / "objectives" / name for name in _OBJECTIVES]
    for name in _ROOMS:
        path = root / name
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    for part in objectives_of(method):
        kinds = dict.fromkeys([objective_class(part), objective_class(part.partition("@")[0])])
        files += [root / "objectives" / f"{kind.__module__.rpartition('.')[2]}.py" for kind in kinds]
    state = hashlib.sha256()
    for path in files:
        if path.exists():
            state.update(f"{path.relative_to(root).as_posix()}:{_digest(path)};".encode())
    return state.hexdigest()[:16]


@functools.cache
def _digest(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value.value = ""
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
