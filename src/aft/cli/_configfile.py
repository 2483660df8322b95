"""``--config run.yaml`` and ``--set key=value``: options from a file, under the flags."""

from pathlib import Path
from typing import Any

import typer

from aft.errors import UsageError, did_you_mean


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make a file's values the command's defaults.

    Args:
        context: The command's.
        path: A YAML file of option names and values, for any of the commands.

    Returns:
        The path.

    Raises:
        UsageError: No such file, not a mapping, or an option that no command has.
    """
    if path is None:
        return None
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"--config is a YAML file of options; {str(path)!r} is none ({reason}); start from 'aft init > run.yaml'"
        ) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise UsageError(
            f"--config is a YAML mapping of options to values; {str(path)!r} holds {type(content).__name__}; start from 'aft init'"
        )
    for key, value in content.items():
        if value is not None:
            _default(context, str(key), value, over=False)
    return path


def set_value(context: typer.Context, pairs: list[str] | None) -> list[str] | None:
    """Make ``key=value`` pairs the command's defaults, over those of a file.

    Args:
        context: The command's.
        pairs: As given.

    Returns:
        The pairs.

    Raises:
        UsageError: Not a pair, or an option that no command has.
    """
    import yaml

    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set takes key=value; received {pair!r}; write for example --set steps=500")
        try:
            # Lists and truth values are YAML; everything else is the text that was given.
            parsed = yaml.safe_load(value) if value.startswith("[") or value in ("true", "false") else value
        except yaml.YAMLError as error:
            raise UsageError(
                f"--set takes key=value, a list being [a, b]; received {pair!r}, which is no YAML; correct it"
            ) from error
        _default(context, key, parsed, over=True)
    return pairs


def known_options() -> set[str]:
    """Names of all options of all commands."""
    import inspect

    from aft.cli._app import COMMANDS

    names = {name for command in COMMANDS.values() for name in inspect.signature(command).parameters}
    return names - {"config", "set_"}


def _default(context: typer.Context, key: str, value: Any, *, over: bool) -> None:
    name = key.strip().replace("-", "_")
    known = known_options()
    if name not in known:
        raise UsageError(f"unknown option {key!r}{did_you_mean(name, known)}")
    table: dict[str, Any] = dict(context.default_map or {})
    chosen: set[str] = context.meta.setdefault("aft.set", set())
    if over:
        chosen.add(name)
    if over or name not in chosen:
        table[name] = (
            [str(item) for item in value]
            if isinstance(value, list)
            else value
            if isinstance(value, bool)
            else str(value)
        )
        repeated = {parameter.name for parameter in context.command.params if getattr(parameter, "multiple", False)}
        if name in repeated and not isinstance(table[name], list):
            table[name] = [table[name]]
    context.default_map = table
