"""Whose a run folder is."""

import shutil
from typing import Any

from aft.errors import RunError, name_some
from aft.runs._run import Run, RunLayout, read_json, write_json


def claim(layout: RunLayout, description: dict[str, Any], overwrite: bool) -> Run | None:
    """Take a run folder: a new one, one to go on with, or a finished one of the same settings.

    Args:
        layout: The folder.
        description: What identifies the run.
        overwrite: Remove a run that is there.

    Returns:
        The finished run, or None where there is work to do.

    Raises:
        RunError: The folder holds another run, or other things.
    """
    if overwrite and layout.config.exists():
        shutil.rmtree(layout.folder)
    if layout.config.exists():
        found = read_json(layout.config, "a run")
        different = differences(description, found)
        if not different:
            return Run.open(layout.folder) if layout.result.exists() else None
        raise RunError(
            f"a run folder holds one training; {str(layout.folder)!r} has another: {'; '.join(different[:4])}; "
            "choose another --out, or pass --overwrite"
        )
    if layout.folder.exists() and any(layout.folder.iterdir()):
        inside = sorted(path.name for path in layout.folder.iterdir())
        raise RunError(
            f"a run needs an empty folder; {str(layout.folder)!r} holds {name_some(inside)}; choose another --out"
        )
    layout.folder.mkdir(parents=True, exist_ok=True)
    write_json(layout.config, description)
    return None


def differences(asked: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Say in which settings, data, teachers or student two descriptions of a training differ.

    Args:
        asked: What `Training.description` gives, or a part of it.
        found: The one that was kept.

    Returns:
        A phrase a difference; none for the same training, wherever its files lie.
    """
    phrases = []
    for section in ("settings", "data", "targets", "teachers", "backbone", "student"):
        one, two = asked.get(section), found.get(section)
        if isinstance(one, dict) and isinstance(two, dict):
            # Where the data lies does not matter; what it is does.
            keys = [key for key in {**one, **two} if key not in ("path", "device", "workers")]
            phrases += [
                f"{key} {two.get(key)!r} instead of {one.get(key)!r}"[:160]
                for key in keys
                if one.get(key) != two.get(key)
            ]
        elif section == "teachers":
            one, two = ([(t["name"], t["fingerprint"]) for t in side or []] for side in (one, two))
            if one != two:
                phrases.append(
                    f"teachers {name_some([n for n, _ in two], 8)} instead of {name_some([n for n, _ in one], 8)}"
                )
    return phrases
