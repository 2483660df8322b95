"""Executes the notebooks and writes their outputs: python -m tests.notebooks [NAME ...]."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.tutorials import renew

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


if __name__ == "__main__":
    renew(PAGES, sys.argv[1:], lambda page, folder: nbformat.write(execute(page, folder), page))
