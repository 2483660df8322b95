"""``--config run.yaml`` and ``--set key=value``: options from a file. Flags override both."""

from pathlib import Path
from typing import Any

import typer

from aft.errors import UsageError, did_you_mean

#: Options that a config file cannot hold.
NOT_IN_A_FILE = {"config", "set_", "help", "version", "install_completion", "show_completion"}


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the values of a file the defaults of the command.

    Args:
        context: The context of the command.
        path: A YAML file of option names and values. It may hold options of any command.

    Returns:
        The path.

    Raises:
        UsageError: There is no such file, it is not a mapping, or it has an option that no command has.
    """
    if path is None:
        return None
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"--config is a YAML file of options; {str(path)!r} is not ({reason}); start from 'aft init > run.yaml'"
        ) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise UsageError(
            f"--config is a YAML mapping of options to values; {str(path)!r} holds {type(content).__name__}; start from 'aft init'"
        )
    for key, value in content.items():
        if value is not None:
            _set_default(context, str(key), value, override=False)
    return path


def set_values(context: typer.Context, pairs: list[str] | None) -> list[str] | None:
    """Make ``key=value`` pairs the defaults of the command. They override a config file.

    Args:
        context: The context of the command.
        pairs: The pairs.

    Returns:
        The pairs.

    Raises:
        UsageError: Not a pair, or an option that no command has.
    """
    import yaml

    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set takes key=value; received {pair!r}; write for example --set 'steps=500'")
        try:
            # Lists and booleans are YAML; everything else is taken literally.
            parsed = yaml.safe_load(value) if value.startswith("[") or value in ("true", "false") else value
        except yaml.YAMLError as error:
            raise UsageError(
                f"--set takes key=value, and a list as [a, b]; received {pair!r}, which is not YAML; correct it"
            ) from error
        _set_default(context, key, parsed, override=True)
    return pairs


def known_options(context: typer.Context) -> set[str]:
    """Names of all options of all commands."""
    root: Any = context.find_root().command
    commands = [root, *getattr(root, "commands", {}).values()]
    return {str(parameter.name) for command in commands for parameter in command.params} - NOT_IN_A_FILE


def _set_default(context: typer.Context, key: str, value: Any, *, override: bool) -> None:
    name = key.strip().replace("-", "_")
    known = known_options(context)
    if name not in known:
        raise UsageError(f"unknown option {key!r}{did_you_mean(name, known)}")
    defaults: dict[str, Any] = dict(context.default_map or {})
    overridden: set[str] = context.meta.setdefault("aft.set", set())
    if override:
        overridden.add(name)
    elif name in overridden:
        return
    if isinstance(value, list):
        value = [str(item) for item in value]
    elif not isinstance(value, bool):
        value = str(value)
    repeatable = {parameter.name for parameter in context.command.params if getattr(parameter, "multiple", False)}
    if name in repeatable and not isinstance(value, list):
        value = [value]
    defaults[name] = value
    context.default_map = defaults
