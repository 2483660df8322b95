"""The served page in a real browser, Debian's chromium."""

import shutil
import sys

import pytest
from playwright.sync_api import sync_playwright

from tests.serving.served import export_small, serving


@pytest.fixture
def url(tmp_path, free_port):
    """A server of a small model of texts."""
    with serving([sys.executable, "-m", "aft", "serve", export_small(tmp_path)], free_port()) as (_, address):
        yield address


@pytest.mark.parametrize("width", [375, 1200])
def test_a_text_is_predicted_and_an_error_is_said(url, width):
    chromium = shutil.which("chromium")
    assert chromium, "make test-browser needs chromium; run apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": width, "height": 800})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        assert page.locator("#text").is_visible()
        assert not page.locator("#image").is_visible()
        page.fill("#one", "a lovely film <b>")
        page.get_by_role("button", name="Predict").click()
        page.wait_for_selector("#answer tr")
        labels = page.locator("#answer td:first-child").all_inner_texts()
        assert page.locator("#label").inner_text() == labels[0]
        assert len(labels) == 2
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.fill("#one", " ")
        page.get_by_role("button", name="Predict").click()
        page.wait_for_function("document.getElementById('error').textContent !== ''")
        assert "the text is empty" in page.locator("#error").inner_text()
        assert page.locator("#answer tr").count() == 0
        assert not problems
        browser.close()
