"""The page in a real browser: Debian's chromium, without a sandbox where this runs as root."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

import aft
from tests.reporting.comparisons import HOSTILE, make_comparison, write

PHONE, DESK = {"width": 375, "height": 800}, {"width": 1200, "height": 900}
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser():
    # Not skipped where it is missing: a check that did not run is no check.
    chromium = shutil.which("chromium")
    assert chromium, "make test-browser needs chromium; apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


#: A folder that `aft compare` wrote, to look at beside those made here; see benchmarks/compare_movie.py.
GIVEN = os.environ.get("AFT_COMPARISON")


@pytest.fixture(scope="module", params=["one", "several", "regression", "hostile", *(["given"] if GIVEN else [])])
def path(request, tmp_path_factory):
    if request.param == "given":
        return aft.report(GIVEN)
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "several":
        write(folder / "reviews", make_comparison())
        write(folder / "pets", make_comparison(classes=[f"breed {n}" for n in range(40)], level=0.2, probe=0.06))
    elif request.param == "regression":
        write(folder, make_comparison("regression", level=2150.0, probe=1800.0, seeds=1))
    elif request.param == "hostile":
        folder /= HOSTILE[1].replace("/", "")
        comparison = make_comparison(
            methods=("aft", *HOSTILE, "finetune"), classes=HOSTILE[:12], teachers=HOSTILE, path=HOSTILE[0]
        )
        comparison["words"] = HOSTILE
        comparison["student"]["name"] = HOSTILE[5]
        write(folder, comparison)
    else:
        write(folder, make_comparison())
    return aft.report(folder)


@pytest.fixture
def visit(browser, path):
    """Open the page; what it says on the console and asks of the network must come to nothing but itself."""
    contexts, said, asked = [], [], []

    def visit(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}


def test_nothing_but_text(visit):
    page = visit(viewport=DESK)
    assert page.locator("script, img, iframe, object, embed, form, base, image, foreignObject").count() == 0
    assert page.locator("style").count() == 1
    handlers = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
    assert page.evaluate(handlers) == []
    links = page.evaluate("[...document.querySelectorAll('[href]')].map(e => e.getAttribute('href'))")
    assert all(link.startswith(("#", "data:,")) for link in links)
    assert page.locator("svg").count() > 0
    assert page.evaluate("document.querySelector('parsererror')") is None


def test_hostile_names_are_read_as_they_are(visit, path):
    page = visit(viewport=DESK)
    shown = page.evaluate("document.body.textContent")
    if HOSTILE[1][:10] in str(path):
        assert HOSTILE[0] in shown
        assert HOSTILE[2] in shown
        assert "‹U+202E›" in shown
        assert page.evaluate("getComputedStyle(document.querySelector('main')).display") != "none"


def test_the_policy_stops_what_would_leave_the_page(browser, path):
    """Should a name get through one day, it still loads nothing and runs nothing."""
    page = browser.new_page()
    page.goto(path.as_uri())
    stopped = page.evaluate(
        """async () => {
            const stopped = [];
            document.addEventListener("securitypolicyviolation", event => stopped.push(event.effectiveDirective));
            const picture = document.createElement("img");
            picture.src = "http://127.0.0.1:9/x.png";
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(picture, script);
            await fetch("http://127.0.0.1:9/").catch(() => {});
            await new Promise(done => setTimeout(done, 200));
            return [stopped.sort(), window.ran === true];
        }"""
    )
    page.close()
    assert stopped == [["connect-src", "img-src", "script-src-elem"], False]


@pytest.mark.parametrize("width", [320, 375, 768, 1200])
def test_no_sideways_scrolling(visit, width):
    page = visit(viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_text_of_figures_is_legible_on_a_phone(visit):
    page = visit(viewport=PHONE)
    sizes = page.evaluate(
        """[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).map(
        s => 12 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)"""
    )
    assert sizes
    assert min(sizes) >= 11


def test_dark_and_print(visit):
    light, dark = visit(viewport=DESK, color_scheme="light"), visit(viewport=DESK, color_scheme="dark")
    paper, night = light.evaluate(BACKGROUND), dark.evaluate(BACKGROUND)
    assert paper != night
    text = "getComputedStyle(document.querySelector('svg text')).fill"
    assert light.evaluate(text) != dark.evaluate(text)
    dark.emulate_media(media="print")
    assert dark.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    closed = "[...document.querySelectorAll('details table')].map(e => e.getBoundingClientRect().height)"
    assert all(height > 0 for height in dark.evaluate(closed))
    assert dark.pdf()[:5] == b"%PDF-"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_there_is_something_to_see(visit, scheme):
    page = visit(viewport=PHONE, color_scheme=scheme)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
    pixels = np.asarray(picture).astype(int)
    assert pixels.std() > 10
    figure = Image.open(io.BytesIO(page.locator("svg:visible").first.screenshot())).convert("RGB")
    colours = figure.getcolors(1 << 24)
    assert len(colours) > 20
