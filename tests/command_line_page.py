"""Write docs/reference/command-line.md from the commands: ``python -m tests.command_line_page``."""

import inspect
import textwrap
from pathlib import Path
from typing import Any

import typer

from aft.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"
HEAD = """\
# Command line

`python -m tests.command_line_page` writes this page from the program. `aft COMMAND --help` prints
the same texts.

`DATA` is a table or a folder of images. [Train on a table](../how-to/table.md) describes the
columns of tables and the names of models.

Results are written to standard output, progress to standard error. An expected error is one
sentence and exit status 2: [Errors](errors.md). Options can also come from
[a configuration file](../how-to/configuration-file.md).

| option of `aft` | meaning |
| --- | --- |
| `--version` | Print the version. |
| `--install-completion` | Install completion for the current shell. |
| `--show-completion` | Print the completion script for the current shell. |
| `-h`, `--help` | Print help, also on each command. |
"""


def commands() -> dict[str, Any]:
    """The commands by name."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def render() -> str:
    """The page."""
    return HEAD + "".join(_section(name, command) for name, command in commands().items())


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = ["aft", name, *(p.metavar + ("..." if p.nargs == -1 else "") for p in arguments)]
    usage += [f"{p.opts[0]} {p.metavar}" for p in options if p.required]
    usage += ["[OPTIONS]"] if any(not p.required for p in options) else []
    paragraphs = inspect.cleandoc(command.help).split("\n\n")
    text = "\n\n".join(textwrap.fill(" ".join(paragraph.split()), 100) for paragraph in paragraphs)
    rows = [_row(f"{p.metavar}", "", p.help) for p in arguments]
    for p in options:
        default = "" if isinstance(p.default, bool) or p.default is None else f"`{p.default}`"
        rows.append(_row(f"{p.opts[0]} {p.metavar or ''}".strip(), "required" if p.required else default, p.help))
    table = "\n| argument or option | default | meaning |\n| --- | --- | --- |\n" + "".join(rows) if rows else ""
    return f"\n## aft {name}\n\n{text}\n\n```text\n{' '.join(usage)}\n```\n{table}"


def _row(name: str, default: str, meaning: str) -> str:
    shown = name.replace("|", "/")  # a pipe would end the cell
    return f"| `{shown}` | {default} | {meaning} |\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
