"""The JSON documents of a run: `RunConfig` says what was trained, `RunResult` how it went."""

import json
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from aft.core import write_json
from aft.data import Targets
from aft.errors import RunError
from aft.evaluation import Metrics
from aft.runs._hparams import HParams, Trial
from aft.runs._layout import FORMAT, RunLayout
from aft.runs._train_config import OPERATIONAL, TrainConfig

_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class _Document(_Model):
    """A JSON file that is read and written only through this class."""

    format: Literal[1] = FORMAT

    def write(self, path: Path) -> None:
        """Write the document atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a document.

        Raises:
            RunError: It is missing, damaged, or of another format.
        """
        try:
            content = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        except FileNotFoundError as error:
            if not path.parent.exists():
                raise RunError(
                    f"a run is a directory; there is none at {str(path.parent)!r}; check the path, or make one with aft train"
                ) from error
            interrupted = RunLayout(path.parent).config.exists()
            hint = (
                "its training was interrupted: run the same aft train again"
                if interrupted
                else "make one with aft train"
            )
            raise RunError(f"a run contains {path.name}; there is none in {str(path.parent)!r}; {hint}") from error
        except (OSError, ValueError) as error:
            raise RunError(f"{_damaged(path)} ({error}); restore it from a copy or train again") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise RunError(f"this version of aft reads runs of format {FORMAT}; {str(path)!r} is another; upgrade aft")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part)[:40] for part in first["loc"])
            reason = f"{where}: {first['msg']}"[:160]
            raise RunError(f"{_damaged(path)} ({reason}); restore it from a copy or train again") from error


def _damaged(path: Path) -> str:
    return f"{str(path)!r} is not what was written to it"


class SampleCounts(_Model):
    """Number of samples.

    Attributes:
        labelled: Training samples with a label.
        unlabelled: Training samples without one.
        validation: Validation samples. If they were held out from training, they are among the labelled ones too.
        test: Test samples.
    """

    labelled: int
    unlabelled: int
    validation: int
    test: int


class DataConfig(_Model):
    """The data of a run.

    Attributes:
        kind: What the inputs are: ``text``, ``pair``, ``image`` or ``array``.
        path: The table or folder, or the type of the object that the samples came from.
        columns: Column names by role: ``text``, ``label``, ``id``, ...
        samples: Number of samples.
        digest: SHA-256 over ids, inputs, labels and splits.
        counts: Samples by use.
    """

    kind: str
    path: str
    columns: dict[str, str]
    samples: int
    digest: str
    counts: SampleCounts


class TeacherConfig(_Model):
    """A teacher of a run.

    Attributes:
        name: Name of its feature store.
        dim: Width of its features.
        fingerprint: What identifies the features.
        path: Where the store was.
    """

    name: str
    dim: int
    fingerprint: dict[str, str | int | float | bool | None]
    path: str


class StudentConfig(_Model):
    """The student of a run.

    Attributes:
        name: Its name; ``module:CLASS`` for a module that was passed to `aft.train`.
        backbone: What `aft.models.restore_backbone` needs.
        preprocessing: A description of the preprocessing.
        initial_weights: SHA-256 of the initial weights.
        train_preprocessing: A digest of the preprocessing for training, if there is one of its own.
        module: For a module a digest of its layers, as its repr shows them.
        code: For a module a digest of its class's source code.
    """

    name: str
    backbone: dict[str, Any]
    preprocessing: str
    initial_weights: str
    train_preprocessing: str | None = None
    module: str | None = None
    code: str | None = None


class RunConfig(_Document):
    """What was trained: settings, data, task, teachers and student.

    Attributes:
        settings: The settings of the training.
        data: The data.
        targets: The task.
        teachers: The teachers, in the order in which their features are concatenated.
        student: The student.
    """

    settings: TrainConfig
    data: DataConfig
    targets: Targets
    teachers: tuple[TeacherConfig, ...]
    student: StudentConfig

    def differences(self, other: "RunConfig", ignore: frozenset[str] = frozenset()) -> list[str]:
        """Where another config differs, one phrase each. Paths and `OPERATIONAL` settings do not count.

        Args:
            other: The config to compare with.
            ignore: Further names of fields that do not count.

        Returns:
            Phrases such as ``"beta 1.0 instead of 2.0"``, the other config's value first; empty for the same training.
        """
        # Counts follow from the data and the settings.
        ignored = ignore | OPERATIONAL | {"path", "counts"}
        mine, theirs = self.model_dump(mode="json"), other.model_dump(mode="json")
        phrases = []
        for section in ("settings", "data", "targets", "student"):
            flat = [_flatten(part) for part in (mine[section], theirs[section])]
            phrases += [
                _phrase(key, flat[1].get(key), flat[0].get(key))
                for key in dict.fromkeys([*flat[0], *flat[1]])
                if key not in ignored and flat[0].get(key) != flat[1].get(key)
            ]
        teachers = [[(t["name"], t["fingerprint"]) for t in side["teachers"]] for side in (mine, theirs)]
        if teachers[0] != teachers[1]:
            names = [", ".join(name for name, _ in side) or "none" for side in teachers]
            phrases.append(f"teachers {names[1]} instead of {names[0]}"[:160])
        return phrases


class SearchRecord(_Model):
    """The hyperparameter search of a run.

    Attributes:
        summary: What was chosen, in words.
        seconds: Duration of all trials.
        trials: The trials, in order.
    """

    summary: str
    seconds: float
    trials: tuple[Trial, ...]


class RunResult(_Document):
    """How a training went.

    Attributes:
        aft: Version of aft.
        method: Name of the method.
        hparams: The hyperparameters of the final training.
        seed: Its random seed.
        batch_size: Samples per step.
        parameters: Number of parameters of the student.
        samples: Number of samples by use.
        truncated: Number of texts that were truncated to the student's limit.
        seconds: Duration of the final training, since it was last resumed.
        waiting_for_data: Fraction of that time spent waiting for batches.
        total_seconds: Duration of search, training and test, since the command was last started.
        processes: Number of processes that trained together.
        search: The hyperparameter search; None if there was none.
        test: Metrics on the test split; None without one.
        weights_sha256: SHA-256 of the weights file.
        best_step: With patience, the step whose weights were kept.
    """

    aft: str
    method: str
    hparams: HParams
    seed: int
    batch_size: int
    parameters: int
    samples: SampleCounts
    truncated: int
    seconds: float
    waiting_for_data: float
    total_seconds: float
    processes: int
    search: SearchRecord | None
    test: Metrics | None
    weights_sha256: str
    best_step: int | None = None


def _phrase(key: str, theirs: Any, mine: Any) -> str:
    if all(isinstance(value, str) and _DIGEST.fullmatch(value) for value in (theirs, mine)):
        return f"another {key.replace('_', ' ')}"  # digests tell nobody anything
    return f"{key} {_shown(theirs)} instead of {_shown(mine)}"[:160]


def _shown(value: Any) -> str:
    return "not given" if value is None else repr(value)


def _flatten(part: dict[str, Any]) -> dict[str, Any]:
    """A section of a config with the fields of its nested objects beside its own."""
    nested = {name: part.pop(name) for name in ("backbone", "columns") if name in part}
    return {**part, **{key: value for fields in nested.values() for key, value in fields.items()}}
