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


def steps(page):
    """The steps of a page's program in order, each with the output that the page shows.

    Returns:
        ``(language, code, output)`` of each block of Python, or of each shell block if the page has none of Python. Blocks that
        install packages are left out.
    """
    found = [
        match.groups("") for match in STEP.finditer(page.read_text(encoding="utf-8")) if "pip install" not in match[2]
    ]
    language = "python" if any(language == "python" for language, _, _ in found) else "console"
    return [step for step in found if step[0] == language]


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
    code = [code for _, code, _ in steps(page)]
    if steps(page)[0][0] == "python":
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
    language = "python" if "```python" in text else "console"
    remaining = iter(outputs)

    def renewed(match):
        if match[1] != language or "pip install" in match[2]:
            return match[0]
        output = next(remaining)
        return f"```{match[1]}\n{match[2]}```\n" + (f"\n```text\n{output}```\n" if output else "")

    return STEP.sub(renewed, text)


def main(names):
    """Run tutorials and write their outputs; the last line is a JSON object with their durations."""
    seconds = {}
    for page in [page for page in PAGES if page.stem in names or not names]:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            outputs = run(page, Path(folder))
        seconds[page.stem] = round(time.monotonic() - start, 1)
        page.write_text(with_outputs(page.read_text(encoding="utf-8"), outputs), encoding="utf-8")
        print(page.stem, seconds[page.stem], flush=True)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:])
