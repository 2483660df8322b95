"""Runs the program of each tutorial and writes what it prints to its page: python -m tests.tutorials [PAGE ...]."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
PAGES = sorted(TUTORIALS.glob("*.md"))
#: A step of the program and, if it prints anything, what it prints.
STEP = re.compile(r"^```(python|console)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_END = "--- end of the step ---"


def _matches(text):
    """The steps of a program: blocks of Python, or of the shell where a page has none; what installs packages is none."""
    found = [match for match in STEP.finditer(text) if "pip install" not in match[2]]
    language = "python" if any(match[1] == "python" for match in found) else "console"
    return [match for match in found if match[1] == language]


def steps(page):
    """The steps of a page's program in order: ``(language, code, output)``, each with the output that the page shows."""
    return [match.groups("") for match in _matches(page.read_text(encoding="utf-8"))]


def run(page, folder):
    """Run the program of a page.

    Args:
        page: The page.
        folder: An empty directory, which becomes the working directory.

    Returns:
        What each step printed on the standard output.

    Raises:
        AssertionError: The program failed.
    """
    program = steps(page)
    code = [code for _, code, _ in program]
    if program[0][0] == "python":
        (folder / "program.py").write_text(
            "".join(f"{block}\nprint({_END!r}, flush=True)\n" for block in code), encoding="utf-8"
        )
        command = [sys.executable, "program.py"]
    else:
        (folder / "program.sh").write_text(
            "set -eo pipefail\n" + "".join(f"{block}\necho '{_END}'\n" for block in code)
        )
        command = ["bash", "program.sh"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{_END}\n")[:-1]


def with_outputs(text, outputs):
    """The text of a page, with these outputs of the steps of its program."""
    for match, output in reversed(list(zip(_matches(text), outputs, strict=True))):
        step = f"```{match[1]}\n{match[2]}```\n" + (f"\n```text\n{output}```\n" if output else "")
        text = text[: match.start()] + step + text[match.end() :]
    return text


def renew(pages, names, renew_page):
    """Renew the outputs of pages, all or those with these names; the last line is a JSON object with their durations."""
    seconds = {}
    for page in [page for page in pages if page.stem in names or not names]:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            renew_page(page, Path(folder))
        seconds[page.stem] = round(time.monotonic() - start, 1)
        print(page.stem, seconds[page.stem], flush=True)
    print(json.dumps({"seconds": seconds}))


def _renew_page(page, folder):
    outputs = run(page, folder)
    page.write_text(with_outputs(page.read_text(encoding="utf-8"), outputs), encoding="utf-8")


if __name__ == "__main__":
    renew(PAGES, sys.argv[1:], _renew_page)
