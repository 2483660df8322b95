"""Training metrics as a CSV file that a resumed training goes on with."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

COLUMNS = ("step", "task_loss", "objective", "coefficient")


class MetricsFile(Logger):
    """Write a row now and then.

    Lightning's own CSV logger removes the rows of the interrupted part when training resumes.

    Args:
        path: The file.
        start: Step to go on from; rows at or after it are written anew.
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
        """Lightning asks for one."""
        return "metrics"

    @property
    def version(self) -> str:
        """Lightning asks for one."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        row = {"step": float(step or 0), **{key: value for key, value in metrics.items() if key in COLUMNS}}
        if len(row) > 1:
            self.rows.append(row)
            self._write()

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The run's config holds them."""

    def _write(self) -> None:
        temporary = self._path.with_name(f".writing-{self._path.name}")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows([{**row, "step": int(row["step"])} for row in self.rows])
        temporary.replace(self._path)
