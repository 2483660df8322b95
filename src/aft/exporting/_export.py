"""``aft.export``: a run as files for deployment."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aft.core import __version__, format_size
from aft.data import Dataset, Targets, labelled_samples
from aft.errors import DataError, RunError, UsageError
from aft.evaluation import latency, measure
from aft.exporting._onnx import write_onnx
from aft.runs import Model, chosen_samples, load, open_inputs
from aft.runtime import FILES, Check, Description, Encoding, ExportedModel, is_exported

#: Samples that are compared at most, those that the graph is traced on, and those that are timed.
MOST, TRACED, TIMED = 2000, 4, 16
#: Samples that the ranges of activations are measured on.
CALIBRATED = 128
#: Largest difference of an output that rounding explains, relative to the largest output.
TOLERANCE = 1e-3
#: Labels of a regression agree within this part of their standard deviation.
CLOSE = 1e-3


@dataclass(frozen=True)
class Exported:
    """An exported run.

    Attributes:
        folder: Where it is.
        checks: How each file compares with the trained student, by its name.
        trained: The same numbers of the trained student itself: error and latency.
    """

    folder: Path
    checks: dict[str, Check]
    trained: Check

    def __str__(self) -> str:
        split = self.trained.split
        lines = [f"{'':16}{'error':>9}{'alone':>11}{'size':>10}{'agreement':>12}{'difference':>13}"]
        for name, check in {"PyTorch": self.trained, **self.checks}.items():
            error = "-" if check.error is None else f"{check.error:.4f}"
            same = (
                ("", "") if name == "PyTorch" else (f"{100 * check.agreement:.2f} %", f"{check.largest_difference:.1e}")
            )
            lines.append(
                f"{name:16}{error:>9}{check.latency_ms:>8.2f} ms{format_size(check.bytes):>10}{same[0]:>12}{same[1]:>13}"
            )
        which = "test samples" if split == "test" else "samples"
        return "\n".join(
            [*lines, f"on {self.trained.samples} {which}; difference: the largest of an output from PyTorch's"]
        )


def export(
    run: str | Path,
    out: str | Path,
    *,
    data: Dataset | str | Path | None = None,
    student: Any = None,
    int8: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a run's student as an ONNX graph with everything that its inputs need, and check it against the student.

    The folder holds ``model.onnx``, the tokenizer or n-grams, and ``export.json`` with the preprocessing, the classes and the
    result of the check. `aft.runtime.ExportedModel` and ``aft predict`` run it without torch.

    Args:
        run: The run directory.
        out: The folder to write.
        data: Samples to check it on; by default those that the run was trained on, of which the test split counts.
        student: For a run that trained a module: as for `aft.load`.
        int8: Also write a graph with weights of 8 bits, and measure it.
        overwrite: Replace an existing folder.

    Returns:
        What the check has found.

    Raises:
        UsageError: The folder exists.
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        ModelError: The student, or its preprocessing, cannot be expressed.
        RunError: The graph gives other outputs than the student; nothing is kept then.
        DataError: There are no samples to check it on.

    Example:
        >>> print(aft.export("runs/a", "exported", int8=True))
    """
    target = Path(out)
    if target.exists() and not overwrite:
        raise UsageError(
            f"existing files are kept; {str(target)!r} exists; choose another out=, or pass overwrite=True"
        )
    if target.exists() and not is_exported(target):
        raise UsageError(f"only an earlier export is replaced; {str(target)!r} is something else; choose another out=")
    model = load(run, student=student, device="cpu")
    data = _open(run, model, data)
    samples, split = _samples(run, data)
    backbone = model.student.backbone
    encodings = backbone.encodings()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        backbone.save_encodings(temporary)
        write_onnx(
            model.student,
            backbone.encode([samples.inputs[i] for i in _spread(len(samples), TRACED)]),
            temporary / FILES["fp32"],
        )
        description = Description(
            aft=__version__, student=model.config.student.name, inputs=model.config.data.kind,
            columns={k: v for k, v in model.config.data.columns.items() if k in ("text", "text_pair", "image", "id")},
            targets=model.targets,
            encodings=tuple(
                Encoding(kind=one.pop("kind"), reads=one.pop("reads"), folder=one.pop("folder"), settings=one)
                for one in encodings
            ),
            checks={},
        )  # fmt: skip
        description.write(temporary)
        inputs = [samples.inputs[i] for i in range(len(samples))]
        expected = model.logits(inputs)
        checks = {FILES["fp32"]: _check(ExportedModel(temporary, threads=1), "fp32", inputs, expected, samples, split)}
        _must_agree(checks[FILES["fp32"]], expected)
        if int8:
            from aft.exporting._int8 import write_int8

            write_int8(temporary, ExportedModel(temporary), _calibration(run, data, inputs))
            own = ExportedModel(temporary, precision="int8", threads=1)
            checks[FILES["int8"]] = _check(own, "int8", inputs, expected, samples, split)
        description.model_copy(update={"checks": checks}).write(temporary)
        temporary.chmod(0o755)
        _put_in_place(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as onnxruntime above
    try:
        alone = latency(model.predict, inputs[:TIMED], repeats=3)
    finally:
        torch.set_num_threads(before)
    trained = Check(
        samples=len(inputs), split=split, largest_difference=0.0, agreement=1.0,
        error=_error(model.targets, expected, samples), latency_ms=alone,
        bytes=4 * model.student.size(),
    )  # fmt: skip
    return Exported(target, checks, trained)


def _put_in_place(made: Path, target: Path) -> None:
    """Rename a finished folder; an earlier export is kept until the new one is there."""
    if not target.exists():
        made.rename(target)
        return
    earlier = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-")) / "earlier"
    target.rename(earlier)
    made.rename(target)
    shutil.rmtree(earlier.parent)


def _open(run: str | Path, model: Model, data: Dataset | str | Path | None) -> Dataset:
    """The data to check on, by default that of the run, without samples that cannot be read."""
    roles = dict.fromkeys(("text", "text_pair", "image", "image_root", "label", "id", "split"))
    if isinstance(data, Dataset):
        return data.verified("skip")
    try:
        return open_inputs(run, model.config.data.path if data is None else data, roles).verified("skip")
    except (DataError, UsageError) as error:
        if data is not None:
            raise
        raise DataError(
            f"an export is checked on samples of the task; those that the run was trained on cannot be read ({error}); name others "
            "with data="
        ) from error


def _samples(run: str | Path, data: Dataset) -> tuple[Dataset, str]:
    """The samples to compare on, and which split they are."""
    split = "test"
    try:
        chosen = chosen_samples(run, data)
    except DataError:  # none of them has a label, or is in the test split
        chosen, split = data, "all"
    if not len(chosen):
        raise DataError(
            "an export is checked on samples of the task; received none that can be read; name others with data="
        )
    return chosen.subset(np.array(_spread(len(chosen), MOST))), split


def _calibration(run: str | Path, data: Dataset, inputs: Sequence[Any]) -> Sequence[Any]:
    """Inputs that ranges are measured on: training samples where there are some, since the error is that of test samples."""
    try:
        chosen = chosen_samples(run, data, on="train")
    except DataError:
        return inputs
    return [chosen.inputs[place] for place in _spread(len(chosen), CALIBRATED)]


def _spread(count: int, most: int) -> list[int]:
    """Positions of at most so many samples, evenly spread."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(most, count)).astype(int)).tolist()
    return places


def _check(
    exported: ExportedModel,
    precision: Literal["fp32", "int8"],
    inputs: Sequence[Any],
    expected: NDArray[np.float32],
    samples: Dataset,
    split: str,
) -> Check:
    """Compare an exported model with the outputs of the student."""
    received, targets = exported.logits(inputs), exported.targets
    return Check(
        samples=len(inputs), split=split, largest_difference=float(np.abs(received - expected).max()),
        agreement=float(_same(targets, received, expected).mean()), error=_error(targets, received, samples),
        latency_ms=latency(exported.predict, inputs[:TIMED], repeats=3),
        bytes=(exported.folder / FILES[precision]).stat().st_size,
    )  # fmt: skip


def _same(targets: Targets, one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples get the same label."""
    if targets.kind == "classification":
        return np.asarray(one.argmax(axis=1) == other.argmax(axis=1))
    if targets.kind == "multilabel":
        return np.asarray(((one > 0) == (other > 0)).all(axis=1))
    return np.asarray(np.abs(one - other)[:, 0] < CLOSE)


def _error(targets: Targets, logits: NDArray[Any], samples: Dataset) -> float | None:
    """The error on the labelled samples; None without any."""
    known, encoded = labelled_samples(samples, targets, range(len(samples.labels or [])))
    return measure(targets, logits[known], encoded).error if known else None


def _must_agree(check: Check, expected: NDArray[np.float32]) -> None:
    if not check.largest_difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise RunError(
            f"an exported model gives the outputs of its student; received a difference of {check.largest_difference:.2g} on one of "
            f"{check.samples} samples; nothing was kept: please report it with the name of the student"
        )
