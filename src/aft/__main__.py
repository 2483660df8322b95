"""``python -m aft``."""

from aft.cli._app import main

main()
