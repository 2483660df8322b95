"""The page in a real browser, Debian's chromium."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

import aft
from aft.extraction import extract_all
from tests.conftest import write_matching
from tests.models.test_image_text import STUDENT, TEACHERS
from tests.reporting.comparisons import HOSTILE, make_comparison, write, write_students

PHONE, DESKTOP = {"width": 375, "height": 800}, {"width": 1200, "height": 900}
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser():
    # Fail rather than skip where chromium is missing: a skipped check proves nothing.
    chromium = shutil.which("chromium")
    assert chromium, "make test-browser needs chromium; run apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


#: A real comparison to check as well, for example one made by benchmarks/compare_movie.py.
GIVEN = os.environ.get("AFT_COMPARISON")


@pytest.fixture(
    scope="module",
    params=["one", "several", "students", "regression", "hostile", "images-with-texts", *(["given"] if GIVEN else [])],
)
def path(request, tmp_path_factory):
    if request.param == "given":
        return aft.report(GIVEN)
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "several":
        write(directory / "reviews", make_comparison())
        write(directory / "pets", make_comparison(classes=[f"breed {n}" for n in range(40)], level=0.2, probe=0.06))
    elif request.param == "students":
        write_students(directory)
    elif request.param == "regression":
        write(directory, make_comparison("regression", level=2150.0, probe=1800.0, seeds=1))
    elif request.param == "images-with-texts":
        data = aft.Dataset.from_table(write_matching(directory), image="picture", text="caption", label="label")
        stores = extract_all(data, TEACHERS, out=directory / "features", progress=False)
        directory /= "comparison"
        aft.compare(
            data, STUDENT, stores, methods=("aft", "aft+probe-kd"), seeds=2, steps=20, lr=0.01, beta=1.0, weighting="balanced",
            test_fraction=0.25, out=directory, processes=1, progress=False,
        )  # fmt: skip
    elif request.param == "hostile":
        directory /= HOSTILE[1].replace("/", "")
        comparison = make_comparison(
            methods=("aft", *HOSTILE, "finetune"), classes=HOSTILE[:12], teachers=HOSTILE, path=HOSTILE[0]
        )
        comparison["conclusions"] = HOSTILE
        comparison["student"]["name"] = HOSTILE[5]
        write(directory, comparison)
    else:
        write(directory, make_comparison())
    return aft.report(directory)


@pytest.fixture
def visit(browser, path):
    """Open the page, and check that it logs nothing to the console and requests nothing but itself."""
    contexts, messages, requests = [], [], []

    def visit(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert messages == []
    assert {url for url in requests if not url.startswith("data:")} == {path.as_uri()}


def test_page_has_no_active_content(visit):
    page = visit(viewport=DESKTOP)
    assert page.locator("script, img, iframe, object, embed, form, base, image, foreignObject").count() == 0
    assert page.locator("style").count() == 1
    handlers = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
    assert page.evaluate(handlers) == []
    links = page.evaluate("[...document.querySelectorAll('[href]')].map(e => e.getAttribute('href'))")
    assert all(link.startswith(("#", "data:,")) for link in links)
    assert page.locator("svg").count() > 0
    assert page.evaluate("document.querySelector('parsererror')") is None


def test_hostile_names_are_shown_as_text(visit, path):
    page = visit(viewport=DESKTOP)
    shown = page.evaluate("document.body.textContent")
    if HOSTILE[1][:10] in str(path):
        assert HOSTILE[0] in shown
        assert HOSTILE[2] in shown
        assert "‹U+202E›" in shown
        assert page.evaluate("getComputedStyle(document.querySelector('main')).display") != "none"


def test_content_security_policy_blocks_images_scripts_and_requests(browser, path):
    """Even if a name were not escaped, it could load nothing and run nothing."""
    page = browser.new_page()
    page.goto(path.as_uri())
    blocked = page.evaluate(
        """async () => {
            const blocked = [];
            document.addEventListener("securitypolicyviolation", event => blocked.push(event.effectiveDirective));
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/x.png";
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(image, script);
            await fetch("http://127.0.0.1:9/").catch(() => {});
            await new Promise(done => setTimeout(done, 200));
            return [blocked.sort(), window.ran === true];
        }"""
    )
    page.close()
    assert blocked == [["connect-src", "img-src", "script-src-elem"], False]


@pytest.mark.parametrize("width", [320, 375, 768, 1200])
def test_page_does_not_scroll_horizontally(visit, width):
    page = visit(viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_text_in_figures_is_legible_on_a_phone(visit):
    page = visit(viewport=PHONE)
    sizes = page.evaluate(
        """[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).map(
        s => 12 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)"""
    )
    assert sizes
    assert min(sizes) >= 11


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
def test_no_label_of_a_line_is_crossed_by_a_line(visit, viewport):
    page = visit(viewport=viewport)
    crossed = page.evaluate(
        """[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).flatMap(svg => {
        const lines = [...svg.querySelectorAll('line.guide')].filter(l => l.getAttribute('x1') === l.getAttribute('x2'));
        return [...svg.querySelectorAll('text.haloed:not(.strong)')].filter(text => {
            const t = text.getBoundingClientRect();
            return lines.some(line => {
                const l = line.getBoundingClientRect();
                return l.left > t.left + 1 && l.left < t.right - 1 && l.top < t.bottom - 2 && l.bottom > t.top + 2;
            });
        }).map(text => text.textContent);
        })"""
    )
    assert crossed == []


def test_desktop_uses_its_width(visit):
    page = visit(viewport={"width": 1600, "height": 900})
    assert page.evaluate("document.querySelector('main').getBoundingClientRect().width") > 1100


def test_dark_mode_and_print(visit):
    light, dark = visit(viewport=DESKTOP, color_scheme="light"), visit(viewport=DESKTOP, color_scheme="dark")
    light_background, dark_background = light.evaluate(BACKGROUND), dark.evaluate(BACKGROUND)
    assert light_background != dark_background
    text = "getComputedStyle(document.querySelector('svg text')).fill"
    assert light.evaluate(text) != dark.evaluate(text)
    dark.emulate_media(media="print")
    assert dark.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    closed = "[...document.querySelectorAll('details table')].map(e => e.getBoundingClientRect().height)"
    assert all(height > 0 for height in dark.evaluate(closed))
    assert dark.pdf()[:5] == b"%PDF-"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_figure_are_not_blank(visit, scheme):
    page = visit(viewport=PHONE, color_scheme=scheme)
    screenshot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
    pixels = np.asarray(screenshot).astype(int)
    assert pixels.std() > 10
    figure = Image.open(io.BytesIO(page.locator("svg:visible").first.screenshot())).convert("RGB")
    colours = figure.getcolors(1 << 24)
    assert len(colours) > 20
