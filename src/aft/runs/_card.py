"""The model card of a run."""

from pathlib import Path
from typing import Any

from aft.evaluation import Metrics


def write_card(path: Path, description: dict[str, Any], result: dict[str, Any], test: Metrics | None) -> None:
    """Write ``README.md`` into a run.

    Args:
        path: The file.
        description: The run's config.
        result: The run's result.
        test: Metrics on the test part, if there is one.
    """
    settings, data, targets = description["settings"], description["data"], description["targets"]
    teachers = [
        f"- {_plain(t['name'])}: `{_plain(t['fingerprint'].get('model', 'imported features'))}`, {t['dim']} dimensions, weights "
        f"`{str(t['fingerprint'].get('weights', 'unknown'))[:16]}`"
        for t in description["teachers"]
    ]
    selection = result["selection"]
    classes = ", ".join(map(_plain, targets["classes"])) or "a number"
    lines = [
        f"# {_plain(settings['student'])}",
        "",
        f"A {targets['kind']} model of {result['parameters']:,} parameters, trained by [aft] {result['aft']} with method "
        f"`{settings['method']}`.",
        "",
        f"- Predicts: {classes}",
        f"- Data: {_plain(data.get('path', 'arrays'))}; {data['labelled']} labelled and {data['unlabelled']} unlabelled training samples",
        f"- Training: {result['steps']} steps of {result['batch_size']}, learning rate {result['lr']:g}, seed {result['seed']}, "
        f"strength {result['strength']} {result['beta']:g}",
        f"- Choice of strength and steps: {selection['chosen'] if selection else 'given, not chosen'}",
        f"- Test: {test if test is not None else 'no test part'}",
        "",
        "## Teachers",
        "",
        *(teachers or ["None: plain fine-tuning."]),
        "",
        "The weights hold nothing of the teachers'; their licences apply to their features as they say.",
        "",
        "[aft]: https://arxiv.org/abs/2406.07337",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _plain(text: Any) -> str:
    """A name that a user supplied, unable to be anything but text in Markdown."""
    cleaned = "".join(c if c.isprintable() else " " for c in str(text))[:200]
    return "".join("\\" + c if c in "\\`*_[]<>#|!" else c for c in cleaned)
