"""The program of each tutorial runs as it stands, on real data with real models."""

import pytest

from tests.tutorials import PAGES, run, steps, with_outputs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs(tmp_path, page):
    outputs = run(page, tmp_path)
    shown = [output for _, _, output in steps(page)]
    # Numbers may differ between machines; what is printed where may not.
    assert [bool(output) for output in outputs] == [bool(output) for output in shown], "run python -m tests.tutorials"


def test_outputs_replace_those_of_the_same_step():
    page = "```console\npip install x\n```\n\n```python\na\n```\n\n```text\nold\n```\n\n```python\nb\n```\n\n```yaml\nc\n```\n"
    renewed = with_outputs(page, ["new\n", "more\n"])
    assert renewed == page.replace("old", "new").replace("b\n```\n", "b\n```\n\n```text\nmore\n```\n")
    assert with_outputs(renewed, ["new\n", ""]) == page.replace("old", "new")
