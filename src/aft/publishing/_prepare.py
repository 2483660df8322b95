"""The files of a publication: no path of a machine, no id of a sample, and a card."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath

from aft.core import write_json, write_text
from aft.errors import RunError
from aft.results import COMPARISON_FILE, Comparison
from aft.runs import RunConfig, RunLayout, RunResult, card, with_licence, with_section, without_places
from aft.runtime import is_exported


@dataclass(frozen=True)
class Publication:
    """What is sent.

    Attributes:
        files: The files, relative to their folder, with their sizes in bytes.
    """

    files: dict[str, int]


def prepare(
    source: str | Path, folder: Path, *, comparison: str | Path | None = None, licence: str | None = None
) -> Publication:
    """Copy what a publication consists of into an empty folder.

    Of a run that is what `aft.load` needs, its results and the card, and not its samples' ids, its logs or where its data were. An
    exported folder is sent whole.

    Args:
        source: A run directory, or a folder of ``aft export``.
        folder: An existing, empty folder.
        comparison: Directory of a comparison, whose table goes into the card; by default that which the run is part of, if any.
        licence: The student's licence, by the hub's identifier.

    Returns:
        What was copied.

    Raises:
        RunError: There is no finished run and no export in `source`, or no comparison in `comparison`.
    """
    origin = Path(source)
    target = RunLayout(folder)
    if is_exported(origin):
        shutil.copytree(origin, folder, dirs_exist_ok=True)
    else:
        _prepare_run(RunLayout(origin), target)
    if not target.card.is_file():
        raise RunError(f"a publication has a card; there is no README.md in {str(source)!r}; export the run again")
    text = target.card.read_text(encoding="utf-8")
    for section in _compared(origin, comparison):
        text = with_section(text, section)
    write_text(target.card, text if licence is None else with_licence(text, licence))
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return Publication(files)


def _prepare_run(origin: RunLayout, target: RunLayout) -> None:
    config, result = RunConfig.read(origin.config), RunResult.read(origin.result)
    public = _public(config)
    public.write(target.config)
    result.write(target.result)
    shutil.copyfile(origin.weights, target.weights)
    if origin.objective.exists():
        shutil.copyfile(origin.objective, target.objective)
    if origin.assets.is_dir():
        shutil.copytree(origin.assets, target.assets)
        for file in target.assets.rglob("*.json"):
            _forget_origin(file)
    write_text(target.card, card(public, result))


def _public(config: RunConfig) -> RunConfig:
    """A run's config without the folders that data, teachers and models were in."""
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"path": PurePath(config.data.path).name or config.data.path}),
            "student": config.student.model_copy(update={"name": without_places(config.student.name)}),
            "teachers": tuple(
                teacher.model_copy(
                    update={
                        "path": PurePath(teacher.path).name,
                        "fingerprint": {
                            key: without_places(str(value)) if key == "model" else value
                            for key, value in teacher.fingerprint.items()
                        },
                    }
                )
                for teacher in config.teachers
            ),
        }
    )


def _compared(run: Path, comparison: str | Path | None) -> list[str]:
    """The section of a card that shows a comparison: the given one, or that which the run is part of; none without any."""
    around = run.resolve().parent.parent
    if comparison is None and not (run.parent.name == "runs" and (around / COMPARISON_FILE).is_file()):
        return []
    directory = around if comparison is None else Path(comparison)
    if not (directory / COMPARISON_FILE).is_file():
        raise RunError(
            f"a card shows a finished comparison; there is no {COMPARISON_FILE} in {str(directory)!r}; run aft compare, or leave it out"
        )
    table = without_places(str(Comparison.open(directory)))
    return [
        f"## Comparison\n\nOf several trainings for each method, on the same test samples:\n\n```text\n{table}\n```"
    ]


def _forget_origin(file: Path) -> None:
    """Transformers writes into a config where the model was loaded from."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return
    if isinstance(content, dict) and content.pop("_name_or_path", None) is not None:
        write_json(file, content)
