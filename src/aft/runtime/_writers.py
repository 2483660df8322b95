"""Predictions written row by row: CSV, JSON lines or Parquet."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from aft.core import atomic_path
from aft.errors import MissingExtraError, UsageError
from aft.runtime._prediction import Prediction

SUFFIXES = (".csv", ".jsonl", ".parquet")


class Answer(Protocol):
    """Writes the answer to one row."""

    def __call__(self, sample_id: str, prediction: Prediction | None, error: str | None) -> None:
        """Write the prediction, or why there is none."""


def check_output(path: Path, data: str | Path | None, *, overwrite: bool) -> None:
    """Reject a file for predictions that cannot be written, before the work rather than after it.

    Args:
        path: The file.
        data: The file that is predicted, which is never overwritten; None if there is none.
        overwrite: Replace an existing file.

    Raises:
        UsageError: Another kind of file, a missing folder, or a file that exists or is predicted.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"predictions are written as {' or '.join(SUFFIXES)}; received {path.name!r}; change the suffix"
        )
    if not path.parent.is_dir():
        raise UsageError(f"the output's folder must exist; there is no folder {str(path.parent)!r}; create it first")
    if path.exists() and not overwrite:
        raise UsageError(f"existing files are kept; {str(path)!r} exists; choose another out=, or pass overwrite=True")
    if data is not None and path.resolve() == Path(data).resolve():
        raise UsageError(
            f"predictions have a file of their own; received out= and DATA {str(path)!r}; choose another out="
        )


@contextmanager
def open_writer(out: Path | None, classes: Sequence[str], *, errors: bool = True) -> Iterator[Answer]:
    """Open a file for predictions. It appears under its name when all are written.

    Args:
        out: A ``.csv``, ``.jsonl`` or ``.parquet`` file; None writes CSV to the standard output.
        classes: Names of the classes; none for regression.
        errors: Whether a CSV file has a column for the reason why a row has no prediction.

    Yields:
        A function that writes the answer to one row.

    Raises:
        MissingExtraError: A Parquet file, and pyarrow is not installed.
    """
    if out is None:
        yield _csv(sys.stdout, classes, errors=errors)
        return
    with atomic_path(out) as temporary:
        if out.suffix == ".parquet":
            with _parquet(temporary, classes) as answer:
                yield answer
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield _csv(file, classes, errors=errors) if out.suffix == ".csv" else _json_lines(file)


def _csv(file: TextIO, classes: Sequence[str], *, errors: bool) -> Answer:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "label", *(f"probability of {name}" for name in classes), *(["error"] if errors else [])])

    def answer(sample_id: str, prediction: Prediction | None, error: str | None) -> None:
        if prediction is None:
            writer.writerow([sample_id, "", *([""] * len(classes)), error])
        else:
            probabilities = (f"{p:.6f}" for p in prediction.probabilities.values())
            writer.writerow([sample_id, prediction.label, *probabilities, *([""] if errors else [])])

    return answer


def _json_lines(file: TextIO) -> Answer:
    def answer(sample_id: str, prediction: Prediction | None, error: str | None) -> None:
        row: dict[str, Any] = {"id": sample_id, "label": None, "error": error}
        if prediction is not None:
            row = {"id": sample_id, "label": prediction.label, "probabilities": prediction.probabilities}
        file.write(json.dumps(row, ensure_ascii=False) + "\n")

    return answer


@contextmanager
def _parquet(path: Path, classes: Sequence[str]) -> Iterator[Answer]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files are written by pyarrow, which is not installed; run pip install 'adaptive-feature-transfer[tables]'"
        ) from error
    names = [f"probability of {name}" for name in classes]
    fields = [pa.field("id", pa.string()), pa.field("label", pa.string() if classes else pa.float64())]
    schema = pa.schema([*fields, *(pa.field(name, pa.float64()) for name in names), pa.field("error", pa.string())])
    rows: list[list[Any]] = []
    with parquet.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            columns: list[Any] = list(zip(*rows, strict=True)) or [[] for _ in schema]
            writer.write_table(
                pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
            )
            rows.clear()

        def answer(sample_id: str, prediction: Prediction | None, error: str | None) -> None:
            if prediction is None:
                rows.append([sample_id, None, *([None] * len(names)), error])
            else:
                rows.append([sample_id, prediction.label, *prediction.probabilities.values(), None])
            if len(rows) >= 4096:
                flush()

        yield answer
        flush()
