"""The command line: one file for each command, each a thin call of public functions."""

from aft.cli._app import app as app
from aft.cli._app import main as main
