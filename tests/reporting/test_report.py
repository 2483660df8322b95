import ast
import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

import aft
import aft.reporting
from aft.errors import RunError, UsageError
from aft.reporting import Column, Dot, Figure, Guide, draw_dots, draw_scatter, styles, svg
from aft.reporting._names import all_visible, short, visible
from aft.reporting._numbers import Unit, significant
from aft.reporting._scale import round_values, spanning, tick_label
from tests.reporting.comparisons import HOSTILE, make_comparison, write

PACKAGE = Path(aft.reporting.__file__).parent
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Elements and texts of a page. Fails on mismatched tags."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.texts, self.ids = [], [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if "id" in dict(attributes):
            self.ids.append(dict(attributes)["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1:] != ["style"]:
            self.texts.append(text)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def page_of(directory, comparison):
    return Page(aft.report(write(directory, comparison)).read_text(encoding="utf-8"))


def check(page):
    """Check what holds for every page."""
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "object", "embed", "form", "base"})
    assert [tag for tag, _ in page.tags].count("style") == 1
    assert len(page.ids) == len(set(page.ids))
    known = set(page.ids)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "a":
            assert attributes["href"].startswith("#")
            assert attributes["href"][1:] in known
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(name, "").split()) <= known
        if tag == "svg":
            assert attributes["role"] == "img"
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(headings))
    for odd in ("nan", "None", "inf ", "Undefined", "-0.0"):
        assert odd not in page.text


def test_page_shows_every_section(tmp_path):
    path = aft.report(write(tmp_path / "c", make_comparison()))
    assert path == tmp_path / "c" / "report.html"
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    check(page)
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert page.tags[0] == ("html", {"lang": "en"})
    for text in ("aft lowers the error by", "points lower", "within noise", "fine-tuning", "13 min 20 s", "hf:all-mpnet-base-v2",
                 "Strongest: feature", "All metrics", "1,500 unlabelled", "chosen", "stopped early", "lowest error"):  # fmt: skip
        assert text in page.text, text
    # The conclusion comes before any figure.
    order = [tag for tag, _ in page.tags]
    assert order.index("h1") < order.index("svg")


def test_hostile_names_are_shown_as_text(tmp_path):
    comparison = make_comparison(
        methods=("aft", *HOSTILE, "finetune"), classes=HOSTILE[:12], teachers=HOSTILE, path=HOSTILE[1]
    )
    comparison["conclusions"] = HOSTILE
    comparison["environment"] = dict.fromkeys(("python", "torch", "platform"), HOSTILE[8])
    comparison["task"]["source"] |= {name: name for name in HOSTILE}
    comparison["task"]["error_name"] = HOSTILE[0]
    for result in comparison["methods"]:
        result["metrics"] = dict.fromkeys(HOSTILE, 0.5)
        result["gates"] = {name: {"mean": 0.5, "histogram": [1] * 20, "strongest": [[1, 0.5]]} for name in HOSTILE}
    html = aft.report(write(tmp_path / HOSTILE[12], comparison)).read_text(encoding="utf-8")
    page = Page(html)
    check(page)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    for text in (
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}{% raw %}",
        "&lt;b&gt; &amp;",
        "‹U+202E›",
        "‹U+001B›[31m",
        "‹U+D800›",
        "中文类别名称",
        "زبان\u200cفارسی",
    ):
        assert text.replace("\u200cفارسی", "") in page.text, text
    assert any(attributes.get("title") == "a" * 300 for _, attributes in page.tags)


def test_no_template_and_no_code_disables_escaping():
    for path in [*PACKAGE.glob("templates/*.jinja"), *PACKAGE.glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|Markup\(|autoescape (false|True)|autoescape=False|<script", text), path
    calls = [
        node for node in ast.walk(ast.parse((PACKAGE / "_environment.py").read_text())) if isinstance(node, ast.keyword)
    ]
    assert [call.value.value for call in calls if call.arg == "autoescape"] == [True]


def test_svg_files_are_well_formed_and_show_hostile_names_as_text():
    names = [visible(name) for name in HOSTILE]
    looks = styles(["aft"])
    dots = [Dot(name, 0.25, looks["aft"], 0.2, 0.3) for name in names]
    unit = Unit(percent=True, digits=1, name="error")
    text = svg(Figure("one", names[0], "Two dots.", draw_dots(dots, [Guide("plain", 0.3, "dashed")], unit, 720)))
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    columns = [Column("a", 0.1, {"aft": 0.3}), Column("b", 0.2, {"aft": 0.4})]
    drawn = svg(Figure("two", "t", "d", draw_scatter(columns, looks, 720, 400, "across", "up")))
    assert len(ElementTree.fromstring(drawn).findall(".//*[@class='strong haloed']")) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"seeds": 1},
        {"classes": [f"class {n}" for n in range(40)]},
        {"kind": "regression", "level": 2150.0, "probe": 1800.0},
        {"kind": "regression", "level": 3e-7, "probe": 1e-7},
        {"kind": "multilabel", "classes": ("a", "b", "c")},
        {"methods": ("finetune",), "teachers": ()},
        {"methods": ("aft",), "teachers": ("one",)},
        {"methods": tuple(f"method-{n}" for n in range(12)), "seeds": 2},
        {"methods": ("kd", "finetune")},
        {"level": 0.004, "probe": 0.001},
        {"level": 0.9999, "probe": 0.9998},
    ],
)
def test_comparisons_of_other_kinds(tmp_path, options):
    page = page_of(tmp_path, make_comparison(**options))
    check(page)
    if options.get("kind") == "regression":
        assert "RMSE" in page.text
        assert "points" not in page.text
    if len(options.get("classes", ())) == 40:
        assert "The most confused pairs of classes" in page.text
    if "aft" not in options.get("methods", ("aft",)):
        assert "Gates of each teacher" not in page.text


def test_minimal_documents(tmp_path):
    check(page_of(tmp_path, {"format": 1, "task": {"kind": "classification"}, "methods": [{"method": "aft"}]}))
    check(
        page_of(
            tmp_path,
            {"format": 1, "task": {"kind": "regression"}, "methods": [{"method": "finetune", "errors": [0.0]}]},
        )
    )


def _nodes(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _nodes(item, (*path, key))


def _changed(document, path, change):
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if change == "remove":
        del inner[path[-1]]
    else:
        inner[path[-1]] = change
    return copy


@pytest.mark.parametrize("change", ["remove", None, float("nan"), "text", [], {}, -1, 1e308])
def test_damaged_documents_give_a_page_or_one_sentence(tmp_path, change):
    """Change every node of the document, one at a time."""
    comparison = make_comparison(methods=("aft", "finetune"), seeds=2, teachers=("one",))
    for result in comparison["methods"]:
        result["trials"], result["curve"] = result["trials"][:1], result["curve"][:1]
        result["curve"][0] |= {"step": [0, 10], "task_loss": [1.0, 0.5]}
        for gates in (result["gates"] or {}).values():
            gates |= {"histogram": [1, 2], "strongest": [[1, 0.5]]}
    pages = 0
    for path in list(_nodes(comparison))[1:]:
        write(tmp_path, _changed(comparison, path, change))
        try:
            html = aft.report(tmp_path).read_text(encoding="utf-8")
        except (RunError, UsageError) as error:
            assert "\n" not in str(error)
            assert "comparison.json" in str(error)
        else:
            assert html.endswith("</html>\n") or html.endswith("</html>")
            pages += 1
    assert pages > 20


def test_unknown_keys_are_ignored(tmp_path):
    comparison = make_comparison() | {"later": {"x": [1]}}
    comparison["methods"][0]["later"] = comparison["task"]["later"] = 1
    check(page_of(tmp_path, comparison))


def test_directory_of_comparisons(tmp_path):
    write(tmp_path / "b reviews", make_comparison())
    write(tmp_path / "a <pets>", make_comparison(classes=["cat", "dog", "owl"], level=0.2, probe=0.06, seed=1))
    write(tmp_path / "c prices", make_comparison("regression", level=2150.0, probe=1800.0, methods=("aft", "finetune")))
    (tmp_path / "notes").mkdir()
    page = Page(aft.report(tmp_path, tmp_path / "all.html").read_text(encoding="utf-8"))
    check(page)
    for text in (
        "3 comparisons",
        "a <pets>",
        "b reviews",
        "Error divided by fine-tuning",
        "its errors are no percentages",
    ):
        assert text in page.text
    assert [tag for tag, _ in page.tags].count("article") == 3
    (tmp_path / "notes" / "comparison.json").write_text("{")
    with pytest.raises(RunError, match="notes"):
        aft.report(tmp_path)


def test_missing_comparison_is_rejected(tmp_path):
    with pytest.raises(UsageError, match="check the path"):
        aft.report(tmp_path / "missing")
    with pytest.raises(UsageError, match="a report needs a finished comparison"):
        aft.report(tmp_path)


def test_unreadable_comparison_leaves_no_page(tmp_path):
    (tmp_path / "comparison.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        aft.report(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison.json"]


def test_only_an_earlier_report_is_replaced(tmp_path):
    directory = write(tmp_path / "c", make_comparison())
    assert aft.report(directory) == aft.report(directory)
    before = (directory / "comparison.json").read_bytes()
    with pytest.raises(UsageError, match="something else"):
        aft.report(directory, directory / "comparison.json")
    assert (directory / "comparison.json").read_bytes() == before
    with pytest.raises(UsageError, match="is a directory"):
        aft.report(directory, tmp_path)
    with pytest.raises(UsageError, match="create it first"):
        aft.report(directory, tmp_path / "no" / "r.html")
    assert aft.report(directory, tmp_path / "r.html").exists()


def test_report_imports_neither_torch_nor_matplotlib(tmp_path):
    directory = write(tmp_path, make_comparison())
    code = (
        f"import sys, aft; aft.report({str(directory)!r}); heavy = {{'torch', 'lightning', 'sklearn', 'matplotlib'}} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_names_are_made_visible_and_short():
    assert visible("plain ü 中 👩\u200d🔬") == "plain ü 中 👩\u200d🔬"
    assert visible("a\u202eb\n\ud800\u200b") == "a‹U+202E›b‹U+000A›‹U+D800›‹U+200B›"
    assert all_visible({"\x00": ["\x07", 1, None]}) == {"‹U+0000›": ["‹U+0007›", 1, None]}
    assert short("short") == "short"
    assert short("abcdefghijklmnopqrstuvwxyz", 12) == "abcdefgh…xyz"
    assert short("中" * 20, 10) == "中中中…中"


def test_number_formats():
    percent, plain = Unit.of("classification", "error", [0.36]), Unit.of("regression", "rmse", [0.36])
    assert (percent(0.361), percent.interval(0.1, 0.2), percent.distance(0.039)) == (
        "36.1\u00a0%",
        "10.0 to 20.0\u00a0%",
        "3.9 points",
    )
    assert Unit.of("classification", "error", [0.004])(0.00412) == "0.41\u00a0%"
    assert (plain(0.36125), plain(2150.4), plain.name) == ("0.3613", "2150", "RMSE")
    assert (percent.signed(-0.00001), percent.signed(0.01), percent.signed(-0.01)) == ("0.0", "+1.0", "−1.0")
    assert [significant(value) for value in (0, 0.004, 12.345, 123456, 1e-7)] == [
        "0",
        "0.004",
        "12.3",
        "123,456",
        "1.00e-07",
    ]


def test_scales_and_ticks():
    assert round_values(0.13, 0.52, 4) == pytest.approx([0.2, 0.3, 0.4, 0.5])
    assert tick_label(0.30000000000000004, [0.2, 0.3]) == "0.3"
    for values in ([0.3], [0.0], [5.0, 5.0], [-1.0, 1.0], [1e-12, 2e-12]):
        axis = spanning(values, 0, 100)
        assert all(0 <= axis(value) <= 100 for value in values)
        assert 1 <= len(axis.ticks(5)) <= 12


def test_intervals_say_how_many_seeds_and_below_five_that_they_are_rough(tmp_path):
    text = page_of(tmp_path / "a", make_comparison(seeds=3)).text
    assert "(3 seeds, rough)" in text
    text = page_of(tmp_path / "b", make_comparison(seeds=5)).text
    assert "(5 seeds)" in text
    assert "rough" not in text


def test_what_is_identical_to_fine_tuning_is_called_the_same(tmp_path):
    comparison = make_comparison()
    comparison["methods"][1] |= {"same_as_finetune": True, "method": "kd"}
    text = page_of(tmp_path, comparison).text
    assert "kd (the same)" in text
    assert " kd (noise)" not in text


def test_names_are_as_the_user_typed_them(tmp_path):
    comparison = make_comparison()
    page = page_of(tmp_path, comparison)
    for result in comparison["methods"]:
        assert result["method"] in page.text
    assert "AFT learns a gate" in page.text  # the method's name in prose
    assert "AFT 3" not in page.text


def test_the_axis_says_where_it_starts(tmp_path):
    assert "axis from" in page_of(tmp_path, make_comparison()).text


def test_a_curve_has_at_least_ten_points(tmp_path):
    comparison = make_comparison()
    for result in comparison["methods"]:
        for curve in result["curve"]:
            for name in ("step", "task_loss", "objective"):
                curve[name] = curve[name][:9]
    assert "Learning curves" not in page_of(tmp_path / "a", comparison).text
    assert "Learning curves" in page_of(tmp_path / "b", make_comparison()).text


def test_baselines_are_rows_without_a_student(tmp_path):
    text = page_of(tmp_path, make_comparison()).text
    assert "TF-IDF no student" in text
    assert "0.48 ms per sample, 540.0 kB" in text


def test_balanced_errors_are_beside_those_of_unequal_classes(tmp_path):
    comparison = make_comparison()
    comparison["majority"] = {"error": 0.1, "balanced_error": 0.5}
    comparison["methods"][0]["balanced_error"] = 0.314
    text = page_of(tmp_path, comparison).text
    assert "balanced 31.4" in text
    assert "Balanced: with the same weight for every class." in text
    assert "Balanced" not in page_of(tmp_path / "equal", make_comparison()).text
