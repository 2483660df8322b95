"""The finished trainings of a comparison: what is in the journal is never trained again."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aft.comparison._training_spec import TrainingSpec
from aft.core import __version__, append_jsonl, read_jsonl
from aft.runs import HParams, Trial


@dataclass(frozen=True)
class FinishedTraining:
    """A finished training.

    Attributes:
        spec: The training.
        seconds: Duration.
        trial: What a trial scored; None for a final training.
        test: Metrics on the test split; None for a trial.
        predictions: Packed predictions on the test split; None for a trial. See `unpack_predictions`.
        made_by: Version of aft, and where it is known the commit, that trained it.
    """

    spec: TrainingSpec
    seconds: float
    trial: Trial | None = None
    test: dict[str, float] | None = None
    predictions: dict[str, Any] | None = None
    made_by: str = __version__

    def to_json(self, key: str) -> dict[str, Any]:
        """The training as a row of the journal."""
        row: dict[str, Any] = {"key": key, "made_by": self.made_by, **self.spec.identity(), "seconds": self.seconds}
        if self.trial is not None:
            row["validation"] = {
                "loss": self.trial.loss, "error": self.trial.error, "early_loss": self.trial.early_loss,
                **({"stopped": True} if self.trial.stopped else {}),
                **({} if self.trial.pooled_loss is None else {
                    "pooled_loss": self.trial.pooled_loss, "early_pooled_loss": self.trial.early_pooled_loss,
                }),
            }  # fmt: skip
        if self.test is not None:
            row |= {"test": self.test, "predictions": self.predictions}
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "FinishedTraining":
        """The training of a row.

        Raises:
            KeyError: Something is missing.
            TypeError: A value has another type.
        """
        hparams, validation = HParams(**row["hparams"]), row.get("validation")
        spec = TrainingSpec(row["problem"], row["method"], hparams, row["seed"], row["stage"], row.get("options", {}))
        trial = None if validation is None else Trial(
            spec.method, hparams, validation["loss"], validation["error"], validation.get("early_loss"), row["seconds"],
            validation.get("stopped", validation["loss"] is None), pooled_loss=validation.get("pooled_loss"),
            early_pooled_loss=validation.get("early_pooled_loss"),
        )  # fmt: skip
        return cls(spec, row["seconds"], trial, row.get("test"), row.get("predictions"), row["made_by"])


class Journal:
    """An append-only file with a row for each finished training.

    A training is found by what was trained and on what. Which version of aft trained it is recorded, and plays no part in finding it.

    Args:
        path: The file. It is created with the first row.
        made_by: What new rows say about the code that made them.
    """

    def __init__(self, path: Path, *, made_by: str = __version__) -> None:
        self.path = path
        self.made_by = made_by
        self._rows: dict[str, FinishedTraining] = {}
        for row in read_jsonl(path):
            try:
                self._rows[row["key"]] = FinishedTraining.from_json(row)
            except (KeyError, TypeError):
                continue  # written by another version

    def __len__(self) -> int:
        """Number of finished trainings."""
        return len(self._rows)

    def find(self, spec: TrainingSpec, problem_digest: str) -> FinishedTraining | None:
        """The finished training of a spec; None if there is none."""
        return self._rows.get(training_key(spec, problem_digest))

    def add(self, finished: FinishedTraining, problem_digest: str) -> None:
        """Append a training. It is on disk when this returns."""
        key = training_key(finished.spec, problem_digest)
        self._rows[key] = finished
        append_jsonl(self.path, {**finished.to_json(key), "made_by": self.made_by})

    def items(self) -> list[tuple[str, FinishedTraining]]:
        """Keys and trainings, in the order of the file."""
        return list(self._rows.items())


def training_key(spec: TrainingSpec, problem_digest: str) -> str:
    """What a training is found by: a digest of its identity and its problem."""
    identity = {name: value for name, value in spec.identity().items() if name != "problem"}
    content = json.dumps({**identity, "problem": problem_digest}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:24]
