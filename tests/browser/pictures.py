"""Take the pictures of a report that the documentation shows.

make demo
python -m tests.browser.pictures demo/comparison
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import aft

FIGURES = Path(__file__).parents[2] / "docs" / "figures"


def main(comparison):
    """Take them from the report of a comparison."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        tab = browser.new_page(viewport={"width": 1000, "height": 860})
        tab.goto(aft.report(comparison, out=Path(folder) / "report.html").as_uri())
        tab.screenshot(path=FIGURES / "report.png")
        gates = tab.locator("section[aria-labelledby$=gates]").first.bounding_box()
        around = {
            "x": gates["x"] - 24,
            "y": gates["y"] + 8,
            "width": gates["width"] + 48,
            "height": gates["height"] + 8,
        }
        tab.screenshot(path=FIGURES / "gates.png", full_page=True, clip=around)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
