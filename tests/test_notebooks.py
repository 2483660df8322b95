"""The notebooks run as they stand, and are kept with their outputs."""

import nbformat
import pytest

from tests.notebooks import PAGES, execute


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_notebook_runs(tmp_path, page):
    def kinds(notebook):
        return [[output.output_type for output in cell.get("outputs", [])] for cell in notebook.cells]

    kept = nbformat.read(page, as_version=4)
    assert any(kinds(kept)), "run python -m tests.notebooks"
    assert kinds(execute(page, tmp_path)) == kinds(kept), "run python -m tests.notebooks"
