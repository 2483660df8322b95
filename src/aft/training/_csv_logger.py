"""Training losses as a CSV file that survives a resumed training."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from aft.core import write_text

COLUMNS = ("step", "task_loss", "objective", "coefficient")


class CsvLogger(Logger):
    """Writes a row for each logged step.

    Lightning's own CSV logger would remove the earlier rows when training resumes.

    Args:
        path: The file.
        start: The step that training resumes from. Rows from that step on are dropped.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        super().__init__()
        self._path = path
        self.rows: list[dict[str, float]] = []
        if start and path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                read = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
            self.rows = [row for row in read if row["step"] < start]
        self._write()

    @property
    def name(self) -> str:
        """Required by Lightning."""
        return "metrics"

    @property
    def version(self) -> str:
        """Required by Lightning."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row."""
        row = {"step": float(step or 0), **{key: value for key, value in metrics.items() if key in COLUMNS}}
        if len(row) > 1:
            self.rows.append(row)
            self._write()

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: the run's config holds them."""

    def _write(self) -> None:
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([{**row, "step": int(row["step"])} for row in self.rows])
        write_text(self._path, buffer.getvalue())
