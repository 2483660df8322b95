"""The model card of a run, in the form that the Hugging Face Hub reads: metadata, then sections."""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import yaml

from aft.catalogue import licence_of
from aft.runs._schema import RunConfig, RunResult

USAGE = """
import aft

model = aft.load("{folder}")  # pip install 'adaptive-feature-transfer[train,text,vision]'
print(model.predict(inputs))
"""
PAPER = "https://arxiv.org/abs/2406.07337"
#: An absolute or relative path before the last part of a name. It says where something was on a machine, and no more.
_PLACE = re.compile(r"(?<![\w.])(?:~|\.{1,2})?/(?:[^/,+*]+/)*")


def card(config: RunConfig, result: RunResult, *, library: str = "aft", usage: str = USAGE) -> str:
    """Write the model card of a run.

    Args:
        config: The run's config.
        result: The run's result.
        library: The library that loads the model.
        usage: Lines of Python that predict; ``{folder}`` stands for the place of the model.

    Returns:
        Markdown with metadata. Paths of the machine are shortened to names.
    """
    metadata = _dump(_metadata(config, result, library))
    body = [
        f"# {_escape(without_places(config.student.name))}",
        _summary(config, result),
        f"## Use\n\n```python\n{usage.strip().format(folder='.')}\n```",
        "\n".join(["## Teachers", "", *_teachers(config)]),
        "\n".join(["## Limits", "", *_limits(config, result)]),
        f"[aft]: {PAPER}",
    ]
    return f"---\n{metadata}---\n\n" + "\n\n".join(body) + "\n"


def with_licence(text: str, licence: str) -> str:
    """A card that says which licence the student has.

    Args:
        text: The card.
        licence: The hub's identifier, such as ``"apache-2.0"``.
    """
    _, metadata, body = text.split("---\n", 2)
    changed = {**yaml.safe_load(metadata), "license": licence}
    return f"---\n{_dump(changed)}---\n{body}"


def with_section(text: str, section: str) -> str:
    """A card with a further section, before that on the teachers."""
    return text.replace("\n## Teachers\n", f"\n{section}\n\n## Teachers\n", 1)


def without_places(name: str) -> str:
    """A name without the folders that parts of it were in."""
    return _PLACE.sub("", name)


def teacher_warnings(config: RunConfig) -> list[str]:
    """What the licences of a run's teachers say about the student, one sentence each."""
    found = []
    for teacher in config.teachers:
        licence = licence_of(str(teacher.fingerprint.get("model", "")))
        if licence.limits:
            found.append(
                f"the licence of {teacher.name} ({licence.name}) may limit what the student is used for: {licence.limits}"
            )
    return found


def _dump(metadata: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=120)
    return text


def _metadata(config: RunConfig, result: RunResult, library: str) -> dict[str, Any]:
    """What the hub reads."""
    found: dict[str, Any] = {"library_name": library, "tags": ["adaptive-feature-transfer", "knowledge-distillation"]}
    task = {"text": "text-classification", "pair": "text-classification", "image": "image-classification"}.get(
        config.data.kind
    )
    if task and config.targets.kind != "regression":
        found["pipeline_tag"] = task
    base = re.match(r"(?:hf|st):([\w.-]+/[\w.-]+)(?=[,+*]|$)", config.student.name)
    if base:
        found["base_model"] = base[1]
    dataset = {"name": _data_name(config), "type": _data_name(config)}
    if result.test is not None:
        values = result.test.values.items()
        metrics = [{"type": name, "value": round(float(value), 6)} for name, value in values if name != "error"]
        kind = {"type": found.get("pipeline_tag", "other")}
        results = [{"task": kind, "dataset": dataset, "metrics": metrics}]
        found["model-index"] = [{"name": without_places(config.student.name), "results": results}]
    return found


def _summary(config: RunConfig, result: RunResult) -> str:
    """What it is, and how it was trained."""
    targets, counts, hparams = config.targets, result.samples, result.hparams
    classes = ", ".join(map(_escape, targets.classes)) or "a number"
    kind = "ordinal classification" if targets.ordered else targets.kind
    objective = f"{hparams.weighting} beta {hparams.beta:g}" if hparams.beta else "no objective"
    lines = [
        f"A model for {kind} with {result.parameters:,} parameters, trained by [aft] {result.aft} with the method "
        f"`{result.method}`.",
        "",
        f"- Predicts: {classes}",
        f"- Data: {_escape(_data_name(config))}, {counts.labelled} labelled and {counts.unlabelled} unlabelled training samples",
        f"- Training: {hparams.steps} steps of {result.batch_size} samples, learning rate {hparams.lr:g}, weight decay "
        f"{hparams.weight_decay:g}, seed {result.seed}, {objective}",
        f"- Hyperparameters: {result.search.summary if result.search else 'not searched: given, or usual for the student'}",
        f"- Test: {result.test if result.test is not None else 'no test split'}",
    ]
    return "\n".join(lines)


def _teachers(config: RunConfig) -> Iterator[str]:
    """One line for each teacher."""
    for teacher in config.teachers:
        model = str(teacher.fingerprint.get("model", "imported features"))
        licence = licence_of(model)
        weights = str(teacher.fingerprint.get("weights", "unknown"))[:16]
        yield (
            f"- {_escape(teacher.name)}: `{_escape(without_places(model))}`, {teacher.dim} dimensions, weights `{weights}`, licence "
            f"{licence.name or 'unknown; check the page of the model'}"
        )
    if not config.teachers:
        yield "None: plain fine-tuning."
    else:
        yield "\nThe weights contain nothing of the teachers. Check whether their licences cover their features."


def _limits(config: RunConfig, result: RunResult) -> Iterator[str]:
    """What a reader must not expect."""
    counts = result.samples
    if result.test is None:
        yield "- It was not tested: the data had no test split."
    else:
        yield (
            f"- Its metrics are those of one training, on {counts.test} test samples of the data named above. On other data they may differ."
        )
    if config.targets.classes:
        yield "- It always answers with one of the classes above, even for an input that fits none."
    yield from (f"- Note: {sentence}." for sentence in teacher_warnings(config))


def _data_name(config: RunConfig) -> str:
    """Name of the file, folder or dataset."""
    return PurePath(config.data.path).name or config.data.path


def _escape(text: Any) -> str:
    """A name supplied by a user, as plain text in Markdown."""
    cleaned = "".join(c if c.isprintable() else " " for c in str(text))[:200]
    return "".join("\\" + c if c in "\\`*_[]<>#|!" else c for c in cleaned)
