"""All commands, and what an expected error looks like."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

import aft
from aft.cli._compare import compare
from aft.cli._demo import demo
from aft.cli._evaluate import evaluate
from aft.cli._extract import extract
from aft.cli._import_features import import_features
from aft.cli._init import init
from aft.cli._inspect import inspect
from aft.cli._merge import merge
from aft.cli._predict import predict
from aft.cli._rank import rank
from aft.cli._report import report
from aft.cli._train import train
from aft.errors import AftError

COMMANDS: dict[str, Callable[..., Any]] = {
    "extract": extract,
    "rank": rank,
    "train": train,
    "compare": compare,
    "evaluate": evaluate,
    "predict": predict,
    "report": report,
    "inspect": inspect,
    "import-features": import_features,
    "merge": merge,
    "init": init,
    "demo": demo,
}

app = typer.Typer(
    name="aft",
    help="Train a small model to keep what large frozen models know about your data.",
    epilog="Start with 'aft demo', or 'aft extract --help'.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for _name, _command in COMMANDS.items():
    app.command(_name, short_help=(_command.__doc__ or "").partition(".")[0].partition(";")[0].partition(":")[0] + ".")(
        _command
    )


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"aft {aft.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", is_eager=True, callback=_version, help="Print the version."),
) -> None:
    """Train a small model to keep what large frozen models know about your data."""


def _speak_once(log: logging.Logger) -> None:
    """Of several ranks of a launcher the first tells how it goes, the others what went wrong."""
    from aft.core import rank

    if rank() > 0:
        log.setLevel(logging.WARNING)
    # Torch warns, in each process, that it need not have looked for unused parameters; some students have them.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def main() -> None:
    """Run a command. Expected errors are one sentence on the standard error stream and exit status 2."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("aft")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    if "RANK" in os.environ:
        _speak_once(log)
    log.propagate = False
    try:
        app()
    except AftError as error:
        typer.echo(f"aft: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("aft: interrupted; what is finished is kept: run the same command again to go on", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
