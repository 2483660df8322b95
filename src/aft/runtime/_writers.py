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


@contextmanager
def open_writer(out: Path | None, classes: Sequence[str]) -> Iterator[Answer]:
    """Open a file for predictions. It appears under its name when all are written.

    Args:
        out: A ``.csv``, ``.jsonl`` or ``.parquet`` file; None writes CSV to the standard output.
        classes: Names of the classes; none for regression.

    Yields:
        A function that writes the answer to one row.

    Raises:
        UsageError: Another kind of file.
        MissingExtraError: A Parquet file, and pyarrow is not installed.
    """
    if out is None:
        yield _csv(sys.stdout, classes)
        return
    if out.suffix not in SUFFIXES:
        raise UsageError(f"predictions are written as {', '.join(SUFFIXES)}; received {out.name!r}; change the suffix")
    with atomic_path(out) as temporary:
        if out.suffix == ".parquet":
            with _parquet(temporary, classes) as answer:
                yield answer
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield _csv(file, classes) if out.suffix == ".csv" else _json_lines(file)


def _csv(file: TextIO, classes: Sequence[str]) -> Answer:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "label", *(f"probability of {name}" for name in classes), "error"])

    def answer(sample_id: str, prediction: Prediction | None, error: str | None) -> None:
        if prediction is None:
            writer.writerow([sample_id, "", *([""] * len(classes)), error])
        else:
            probabilities = (f"{p:.6f}" for p in prediction.probabilities.values())
            writer.writerow([sample_id, prediction.label, *probabilities, ""])

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
