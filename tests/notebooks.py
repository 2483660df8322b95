"""Executes the notebooks and writes their outputs: python -m tests.notebooks [NAME ...]."""

import json
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

PAGES = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def execute(page, folder):
    """Execute a notebook in an empty directory and return it with its outputs.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(page, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran, which would differ each time
        # Warnings and progress go to the standard error stream.
        cell.outputs = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]
    return notebook


def main(names):
    """Execute notebooks and keep their outputs; the last line is a JSON object with their durations."""
    seconds = {}
    for page in [page for page in PAGES if page.stem in names or not names]:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(page, folder)
        nbformat.write(notebook, page)
        seconds[page.stem] = round(time.monotonic() - start, 1)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:])
