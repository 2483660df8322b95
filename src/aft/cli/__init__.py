"""The command line: an index of thin calls into public functions, one file a command."""

from aft.cli._app import main as main
