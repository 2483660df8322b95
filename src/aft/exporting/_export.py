"""``aft.export``: a run as files for deployment."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.core import __version__, write_text
from aft.data import Dataset, Targets
from aft.errors import RunError, UsageError, did_you_mean
from aft.evaluation import latency
from aft.exporting._exported import Exported
from aft.exporting._formats import Format, Written
from aft.exporting._model2vec import MODEL2VEC
from aft.exporting._onnx import ONNX, ONNX_INT8
from aft.exporting._safetensors import SAFETENSORS
from aft.exporting._samples import Samples, open_samples
from aft.exporting._timm import TIMM
from aft.exporting._torch_export import TORCH_EXPORT
from aft.exporting._transformers import TRANSFORMERS
from aft.runs import Model, RunLayout, RunResult, card, load, without_places
from aft.runtime import Check, Description, Encoding, decode, is_exported

FORMATS: dict[str, Format] = {
    "onnx": ONNX,
    "torch-export": TORCH_EXPORT,
    "safetensors": SAFETENSORS,
    "timm": TIMM,
    "transformers": TRANSFORMERS,
    "model2vec": MODEL2VEC,
}
#: Samples that are timed.
TIMED = 16
#: Largest difference of an output that rounding explains, relative to the largest output.
TOLERANCE = 1e-3
#: Labels of a regression agree within this part of their standard deviation.
CLOSE = 1e-3


def export(
    run: str | Path,
    out: str | Path,
    *,
    to: str = "onnx",
    data: Dataset | str | Path | None = None,
    student: Any = None,
    preprocess: Any = None,
    int8: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a run's student as files that other programs read, and check them against the student.

    The folder holds ``export.json``, with the classes and the result of the check, a model card, and what the format calls for. Of ``"onnx"`` and
    ``"torch-export"`` that is a graph, and the tokenizer or n-grams with a description of the preprocessing: `aft.ExportedModel`
    and ``aft predict`` run ONNX without torch. The other formats are those of the library that they are named after.

    Args:
        run: The run directory.
        out: The folder to write.
        to: The format: ``"onnx"``, ``"torch-export"``, ``"safetensors"``, ``"timm"``, ``"transformers"`` or ``"model2vec"``.
        data: Samples to check it on; by default those that the run was trained on, of which the test split counts.
        student: For a run that trained a module: as for `aft.load`.
        preprocess: The preprocessing of a module.
        int8: With ONNX, also write a graph with weights of 8 bits, and measure it.
        overwrite: Replace an existing folder.

    Returns:
        What the check has found.

    Raises:
        UsageError: The folder exists, or the format is unknown.
        MissingExtraError: A library of the format is not installed.
        ModelError: The format cannot express the student, or its preprocessing.
        RunError: What was written gives other outputs than the student; nothing is kept then.
        DataError: There are no samples to check it on.

    Example:
        >>> print(aft.export("runs/a", "exported", int8=True))
    """
    chosen = _format(to, int8)
    target = Path(out)
    if target.exists() and not overwrite:
        raise UsageError(
            f"existing files are kept; {str(target)!r} exists; choose another out=, or pass overwrite=True"
        )
    if target.exists() and not is_exported(target):
        raise UsageError(f"only an earlier export is replaced; {str(target)!r} is something else; choose another out=")
    model = load(run, student=student, preprocess=preprocess, device="cpu")
    samples = open_samples(run, model.config, data)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        trained, expected = _trained(model, samples)
        description = _describe(model, to, chosen)
        description.write(temporary)
        checks = {}
        for name, way in chosen.write(model, temporary, samples).items():
            checks[name] = _check(temporary, model.targets, way, expected, samples)
            if len(checks) == 1:
                _must_agree(checks[name], expected)
        result = RunResult.read(RunLayout(Path(run)).result)
        usage = chosen.usage_for(model.config.data.kind)
        write_text(temporary / "README.md", card(model.config, result, library=chosen.library, usage=usage))
        description.model_copy(update={"checks": checks}).write(temporary)
        temporary.chmod(0o755)
        _put_in_place(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Exported(target, checks, trained)


def _format(to: str, int8: bool) -> Format:
    if to not in FORMATS:
        raise UsageError(f"unknown format to={to!r}{did_you_mean(to, FORMATS)}")
    if int8 and to != "onnx":
        raise UsageError(f"weights of 8 bits are written as ONNX; received int8 with to={to!r}; leave out one of them")
    return ONNX_INT8 if int8 else FORMATS[to]


def _describe(model: Model, to: str, chosen: Format) -> Description:
    """The content of ``export.json`` before the check."""
    config = model.config
    encodings = model.student.backbone.encodings() if chosen.describes_inputs else []
    return Description(
        aft=__version__, to=to, student=without_places(config.student.name), inputs=config.data.kind,
        columns={k: v for k, v in config.data.columns.items() if k in ("text", "text_pair", "image", "id")},
        targets=model.targets,
        encodings=tuple(
            Encoding(kind=one.pop("kind"), reads=one.pop("reads"), folder=one.pop("folder"), settings=one)
            for one in encodings
        ),
        checks={},
    )  # fmt: skip


def _trained(model: Model, samples: Samples) -> tuple[Check, NDArray[np.float32]]:
    """How the student itself does, and its outputs."""
    expected = model.logits(samples.inputs)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as of what is compared with it
    try:
        alone = latency(model.predict, samples.inputs[:TIMED], repeats=3)
    finally:
        torch.set_num_threads(before)
    check = Check(
        samples=len(samples.inputs), split=samples.split, largest_difference=0.0, agreement=1.0,
        error=samples.error(model.targets, expected), latency_ms=alone, bytes=4 * model.student.size(),
    )  # fmt: skip
    return check, expected


def _check(folder: Path, targets: Targets, way: Written, expected: NDArray[np.float32], samples: Samples) -> Check:
    """Compare what was written with the outputs of the student."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        received = way.outputs(samples.inputs)
        alone = latency(lambda inputs: list(decode(targets, way.outputs(inputs))), samples.inputs[:TIMED], repeats=3)
    finally:
        torch.set_num_threads(before)
    return Check(
        samples=len(samples.inputs), split=samples.split, largest_difference=float(np.abs(received - expected).max()),
        agreement=float(_same(targets, received, expected).mean()), error=samples.error(targets, received),
        latency_ms=alone, bytes=(folder / way.file).stat().st_size,
    )  # fmt: skip


def _put_in_place(made: Path, target: Path) -> None:
    """Rename a finished folder; an earlier export is kept until the new one is there."""
    if not target.exists():
        made.rename(target)
        return
    earlier = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-")) / "earlier"
    target.rename(earlier)
    made.rename(target)
    shutil.rmtree(earlier.parent)


def _same(targets: Targets, one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples get the same label."""
    if targets.kind == "classification":
        return np.asarray(one.argmax(axis=1) == other.argmax(axis=1))
    if targets.kind == "multilabel":
        return np.asarray(((one > 0) == (other > 0)).all(axis=1))
    return np.asarray(np.abs(one - other)[:, 0] < CLOSE)


def _must_agree(check: Check, expected: NDArray[np.float32]) -> None:
    if not check.largest_difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise RunError(
            f"an exported model gives the outputs of its student; received a difference of {check.largest_difference:.2g} on one of "
            f"{check.samples} samples; nothing was kept: please report it with the name of the student"
        )
