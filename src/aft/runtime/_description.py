"""What an exported model is: the file ``export.json``."""

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aft.core import write_json
from aft.data import Targets
from aft.errors import RunError

FILE: Final = "export.json"
FORMAT: Final = 1


class Encoding(BaseModel):
    """How a part of the model reads inputs.

    Attributes:
        kind: Token ids, n-grams, an image or an array.
        reads: Position of the part of an input that it reads; None for the whole input.
        folder: Where its files are, relative to the exported model.
        settings: Its settings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["tokens", "ngrams", "image", "array"]
    reads: int | None
    folder: str
    settings: dict[str, Any]


class Check(BaseModel):
    """How the exported model compares with the trained one, on samples of the task.

    Attributes:
        samples: Number of samples.
        split: Where they are from: ``"test"``, or ``"all"`` where there was no test split.
        largest_difference: Largest difference of an output.
        agreement: Fraction of the samples with the same label; for regression those within a thousandth of the labels' deviation.
        error: Error of the exported model, if the samples have labels.
        latency_ms: Milliseconds for one sample, by itself.
        bytes: Size of the file.
    """

    samples: int
    split: str
    largest_difference: float
    agreement: float
    error: float | None
    latency_ms: float
    bytes: int


class Description(BaseModel):
    """The content of ``export.json``.

    Attributes:
        format: Version of the format.
        aft: Version of aft that wrote it.
        to: The format, such as ``"onnx"``.
        student: Name of the student.
        inputs: The modality of inputs: ``"text"``, ``"pair"``, ``"image"``, ``"image+text"`` or ``"array"``.
        columns: Names of the columns of inputs and ids in the table that it was trained on.
        targets: The task.
        encodings: How each part reads inputs; empty where a library that loads the format knows it.
        checks: By the name of the file, how it compares with the trained student.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    aft: str
    to: str = "onnx"
    student: str
    inputs: Literal["text", "pair", "image", "image+text", "array"]
    columns: dict[str, str]
    targets: Targets
    encodings: tuple[Encoding, ...]
    checks: dict[str, Check]

    @classmethod
    def read(cls, folder: Path) -> "Description":
        """Read the description of an exported model.

        Raises:
            RunError: There is none, or it is damaged.
        """
        path = folder / FILE
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise RunError(
                f"an exported model holds {FILE}; there is none in {str(folder)!r}; run aft export"
            ) from error
        except (OSError, ValueError, ValidationError) as error:
            reason = " ".join(str(error).split())[:120]
            raise RunError(f"{str(path)!r} is not what aft export wrote ({reason}); export the run again") from error

    def write(self, folder: Path) -> None:
        """Write it, last of all files: an export is finished when it exists."""
        write_json(folder / FILE, self.model_dump(mode="json"))


def is_exported(folder: Path) -> bool:
    """Whether a folder holds an exported model."""
    return (folder / FILE).is_file()
