"""The served page in a real browser, Debian's chromium."""

import shutil
import socket
import subprocess
import sys
import time

import httpx
import pytest
from playwright.sync_api import sync_playwright

import aft
from aft.data import Dataset
from tests.conftest import sentences


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server of a small model of texts."""
    directory = tmp_path_factory.mktemp("served")
    rows = sentences(60)
    dataset = Dataset.from_arrays([text for _, text, _ in rows], [label for *_, label in rows])
    run = aft.train(
        dataset, "aft:ngrams", [], method="finetune", steps=5, lr=1e-3, out=directory / "run", progress=False
    )
    aft.export(run.path, directory / "exported", data=dataset)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "aft", "serve", str(directory / "exported"), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            httpx.get(f"{address}/health")
            break
        except httpx.TransportError:
            time.sleep(0.05)
    yield address
    process.terminate()
    process.wait(timeout=20)


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
