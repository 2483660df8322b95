"""Every file name of a run directory, in one place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Version of the run directory, the ``format`` of its documents.
FORMAT: Final = 1


@dataclass(frozen=True)
class RunLayout:
    """The paths of the files in a run directory.

    Attributes:
        directory: The run directory.
    """

    directory: Path

    @property
    def config(self) -> Path:
        """`RunConfig` as JSON: settings, data, teachers and student. Written first."""
        return self.directory / "config.json"

    @property
    def assets(self) -> Path:
        """Directory of the student's tokenizer or n-grams, and of its architecture."""
        return self.directory / "student"

    @property
    def splits(self) -> Path:
        """The split of every sample."""
        return self.directory / "splits.csv"

    @property
    def trials(self) -> Path:
        """The finished trials of the hyperparameter search, one JSON object a line."""
        return self.directory / "trials.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Directory of checkpoints. It is removed when training has finished."""
        return self.directory / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Training losses by step."""
        return self.directory / "metrics.csv"

    @property
    def validation(self) -> Path:
        """Validation loss and error by epoch. Only where validation samples are not trained on."""
        return self.directory / "validation.csv"

    @property
    def weights(self) -> Path:
        """The student's weights."""
        return self.directory / "model.safetensors"

    @property
    def logger(self) -> Path:
        """The number that a logging service has given to the run, so that a resumed training goes on in it."""
        return self.directory / "logger.json"

    def deployed_bytes(self) -> int:
        """Size of what predictions need: the weights, and the tokenizer or n-grams."""
        return sum(file.stat().st_size for file in (self.weights, *self.assets.rglob("*")) if file.is_file())

    @property
    def objective(self) -> Path:
        """The parameters of the objectives, gates included. Only for methods that have any."""
        return self.directory / "objective.safetensors"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.directory / "README.md"

    @property
    def result(self) -> Path:
        """`RunResult` as JSON. Written last: a run is finished when this file exists."""
        return self.directory / "result.json"
