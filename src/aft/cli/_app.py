"""All commands, and how expected errors are shown."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from aft.cli._compare import compare
from aft.cli._data import data
from aft.cli._demo import demo
from aft.cli._doctor import doctor
from aft.cli._evaluate import evaluate
from aft.cli._export import export
from aft.cli._extract import extract
from aft.cli._import_features import import_features
from aft.cli._init import init
from aft.cli._inspect import inspect
from aft.cli._merge import merge
from aft.cli._messages import name_options
from aft.cli._models import models
from aft.cli._pareto import pareto
from aft.cli._predict import predict
from aft.cli._push import push
from aft.cli._rank import rank
from aft.cli._report import report
from aft.cli._serve import serve
from aft.cli._students import students
from aft.cli._train import train
from aft.core import LogHandler, __version__, missing_extra
from aft.core import rank as process_rank
from aft.errors import AftError, shorten

COMMANDS: dict[str, Callable[..., Any]] = {
    "extract": extract,
    "rank": rank,
    "train": train,
    "compare": compare,
    "evaluate": evaluate,
    "predict": predict,
    "export": export,
    "serve": serve,
    "push": push,
    "report": report,
    "pareto": pareto,
    "inspect": inspect,
    "import-features": import_features,
    "merge": merge,
    "init": init,
    "data": data,
    "models": models,
    "students": students,
    "doctor": doctor,
    "demo": demo,
}

#: Exit status after Ctrl-C.
INTERRUPTED = 130
#: What Typer raises for wrong arguments. It does not export the class itself.
PARSER_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

app = typer.Typer(
    name="aft",
    help="Train a small model to keep what large frozen models know about your data.",
    epilog="Start with 'aft demo', or 'aft extract --help'.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for _name, _command in COMMANDS.items():
    app.command(_name, short_help=(_command.__doc__ or "").partition(".")[0].partition(";")[0].partition(":")[0] + ".")(
        _command
    )


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"aft {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", is_eager=True, callback=_print_version, help="Print the version."),
) -> None:
    """Train a small model to keep what large frozen models know about your data."""


def _options() -> set[str]:
    """Names of the parameters that are options. Positional arguments are not."""
    group: Any = typer.main.get_command(app)
    parameters = [parameter for command in group.commands.values() for parameter in command.params]
    return {str(parameter.name) for parameter in parameters if any(name.startswith("--") for name in parameter.opts)}


class _OptionNames(logging.Formatter):
    """Shows options where the library's messages name parameters."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a message."""
        message = super().format(record)
        return name_options(message, _options()) if record.levelno >= logging.WARNING else message


def _configure_logging() -> logging.Logger:
    """Log to the standard error stream. Of several ranks, only rank 0 reports progress."""
    handler = LogHandler(sys.stderr)
    handler.setFormatter(_OptionNames("%(message)s"))
    log = logging.getLogger("aft")
    log.addHandler(handler)
    log.setLevel(logging.WARNING if process_rank() > 0 else logging.INFO)
    log.propagate = False
    if "RANK" in os.environ:
        # Torch warns, in every process, that it did not have to look for unused parameters. Some students have them.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    return log


def main() -> None:
    """Run a command. An expected error is one sentence on the standard error stream and exit status 2."""
    _configure_logging()
    try:
        # Otherwise Typer exits by itself, silently after Ctrl-C.
        status = app(standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status)
    except PARSER_ERROR as error:
        command = error.ctx.command_path if getattr(error, "ctx", None) is not None else "aft"
        message = shorten(" ".join(error.format_message().split())).rstrip(".")
        typer.echo(f"aft: {message[:1].lower()}{message[1:]}; see {command} --help", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = missing_extra(error, "this command")
        if missing is error:
            raise
        typer.echo(f"aft: {missing}", err=True)
        sys.exit(2)
    except AftError as error:
        typer.echo(f"aft: {name_options(str(error), _options())}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("aft: interrupted; finished work is kept: run the same command again to resume", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno is None:
            raise
        place = "" if error.filename is None else f" for {error.filename!r}"
        message = (
            f"files must be readable and writable, with free disk space; received {error.strerror!r}{place}; "
            "finished work is kept: make room or choose another place, and run the command again"
        )
        typer.echo(f"aft: {shorten(message)}", err=True)
        sys.exit(2)
