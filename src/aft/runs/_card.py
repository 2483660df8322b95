"""The model card of a run."""

from pathlib import Path
from typing import Any

from aft.core import write_text
from aft.runs._schema import RunConfig, RunResult


def write_card(path: Path, config: RunConfig, result: RunResult) -> None:
    """Write a run's model card.

    Args:
        path: The Markdown file.
        config: The run's config.
        result: The run's result.
    """
    targets, counts, hparams = config.targets, result.samples, result.hparams
    teachers = [
        f"- {_escape(teacher.name)}: `{_escape(teacher.fingerprint.get('model', 'imported features'))}`, {teacher.dim} dimensions, "
        f"weights `{str(teacher.fingerprint.get('weights', 'unknown'))[:16]}`"
        for teacher in config.teachers
    ]
    classes = ", ".join(map(_escape, targets.classes)) or "a number"
    objective = f"{hparams.weighting} beta {hparams.beta:g}" if hparams.beta else "no objective"
    lines = [
        f"# {_escape(config.student.name)}",
        "",
        f"A {targets.kind} model with {result.parameters:,} parameters, trained by [aft] {result.aft} with the method "
        f"`{result.method}`.",
        "",
        f"- Predicts: {classes}",
        f"- Data: {_escape(config.data.path)}, {counts.labelled} labelled and {counts.unlabelled} unlabelled training samples",
        f"- Training: {hparams.steps} steps of {result.batch_size} samples, learning rate {hparams.lr:g}, weight decay "
        f"{hparams.weight_decay:g}, seed {result.seed}, {objective}",
        f"- Hyperparameters: {result.search.summary if result.search else 'not searched: given, or usual for the student'}",
        f"- Test: {result.test if result.test is not None else 'no test split'}",
        "",
        "## Teachers",
        "",
        *(teachers or ["None: plain fine-tuning."]),
        "",
        "The weights contain nothing of the teachers. The teachers' licences apply to their features as far as they say so.",
        "",
        "[aft]: https://arxiv.org/abs/2406.07337",
        "",
    ]
    write_text(path, "\n".join(lines))


def _escape(text: Any) -> str:
    """A name supplied by a user, as plain text in Markdown."""
    cleaned = "".join(c if c.isprintable() else " " for c in str(text))[:200]
    return "".join("\\" + c if c in "\\`*_[]<>#|!" else c for c in cleaned)
