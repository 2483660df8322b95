"""The documentation: its programs run, its links and paths exist, and it covers every public name and option."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import aft
from tests.cli.test_cli import STUDENT, aft_command  # noqa: F401 - the fixture
from tests.command_line_page import PAGE, commands, render
from tests.conftest import sentences

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
#: Pages that a script writes, or that keep a record of the past.
RECORDS = {ROOT / "CHANGELOG.md", DOCS / "results.md", DOCS / "log.md"}
#: Pages whose Python blocks run, after those of the README and in its directory.
PROGRAMS = [README, DOCS / "quickstart.md", *sorted((DOCS / "how-to").glob("*.md"))]
PROGRAMS.remove(DOCS / "how-to" / "other-trainers.md")  # tests/test_other_trainers.py runs it
#: What the tests change in the programs: small local models for models of the hub, and few steps.
SMALLER = {
    "hf:sentence-transformers/all-mpnet-base-v2": "python:tests.conftest:bag_of_letters",
    'dataset, "mpnet", out=': 'dataset, "python:tests.conftest:bag_of_letters", name="mpnet", out=',
    "--teacher mpnet ": "--teacher mpnet=python:tests.conftest:bag_of_letters ",
    "aft:transformer": STUDENT,
    'out="runs/a"': 'out="runs/a", steps=20',
    "--out runs/a": "--out runs/a --steps 20",
    "steps=500": "steps=20",
    'out="runs/own"': 'out="runs/own", steps=20, beta=1.0',
}


def blocks(page, language):
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def smaller(program):
    """A program with the replacements of `SMALLER`."""
    for old, new in SMALLER.items():
        program = program.replace(old, new)
    return program


def aft_commands(page):
    """The words of each ``aft`` command in the console blocks of a page, whatever launches it."""
    for block in blocks(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "aft" in words:
                yield words[words.index("aft") + 1 :]


def make_inputs(directory):
    """Write the files that the programs read: a table, an array with its ids, a folder of images."""
    from PIL import Image

    rows = [("r" + name.removeprefix("id"), text, label) for name, text, label in sentences(80)]
    with (directory / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "sentence", "label"), *rows])
    np.save(directory / "vectors.npy", np.random.default_rng(0).normal(size=(80, 4)))
    (directory / "ids.txt").write_text("".join(f"{name}\n" for name, _, _ in rows))
    for label in ("cat", "dog"):
        (directory / "pets" / label).mkdir(parents=True)
        for n in range(10):
            color = (200, n, 0) if label == "cat" else (0, n, 200)
            Image.new("RGB", (8, 8), color).save(directory / "pets" / label / f"{n}.png")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A directory in which the README's Python block has run."""
    directory = tmp_path_factory.mktemp("readme")
    make_inputs(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        (block,) = blocks(README, "python")
        exec(smaller(block), {})
        aft.extract(aft.Dataset.from_folder("pets"), nn.Flatten(), name="dinov2", out="features", progress=False)
    return directory


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.name)
def test_the_python_blocks_run(workspace, monkeypatch, page):
    monkeypatch.chdir(workspace)
    assert (workspace / "runs" / "a" / "result.json").exists()
    namespace = {}
    for block in blocks(page, "python"):
        exec(compile(smaller(block), str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PROGRAMS[:2], ids=lambda page: page.name)
def test_the_shell_blocks_run(aft_command, tmp_path, monkeypatch, page):  # noqa: F811
    make_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = []
    for words in aft_commands(page):
        status, _, err = aft_command(*shlex.split(smaller(shlex.join(words))))
        assert status == 0, err
        ran.append(words[0])
    assert {"train", "predict"} <= set(ran)
    with (tmp_path / "answers.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 80


def test_the_shell_continues_what_python_did(aft_command, workspace, monkeypatch):  # noqa: F811
    """The quickstart says that ``aft train`` finds the run that `aft.train` has finished."""
    monkeypatch.chdir(workspace)
    finished = (workspace / "runs" / "a" / "result.json").read_bytes()
    for words in aft_commands(DOCS / "quickstart.md"):
        status, _, err = aft_command(*shlex.split(smaller(shlex.join(words))))
        assert status == 0, err
        assert words[0] != "train" or "is finished; nothing to do" in err
    assert (workspace / "runs" / "a" / "result.json").read_bytes() == finished


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page):
    known = {
        name: {option for p in command.params for option in p.opts if option.startswith("--")}
        for name, command in commands().items()
    }
    for name, *words in aft_commands(page):
        if name.startswith(("-", "[", "COMMAND")):
            continue
        assert name in known, name
        unknown = {word for word in words if word.startswith("--")} - known[name]
        assert not unknown, f"aft {name}"


def test_the_command_line_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render(), "run python -m tests.command_line_page"


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    for name in set(aft.__all__) - {"__version__"}:
        assert re.search(rf"^::: aft\.{name}$", text, re.MULTILINE), name


def test_every_exception_is_in_the_reference():
    text = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    tree = aft.errors.__doc__.partition("purpose.\n\n")[2].partition("\n\nA message")[0]
    for line in tree.splitlines():
        assert line[4:] in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}, target


@pytest.mark.parametrize("page", [page for page in PAGES if page not in RECORDS], ids=lambda page: page.name)
def test_paths_of_the_repository_exist(page):
    """Files, directories and test functions in backticks, ``::name`` alone being in the file before it."""
    last = ""
    for quoted in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
        path, _, function = quoted.partition("::")
        if not (re.fullmatch(r"(tests|benchmarks|src|docs)(/[\w.*-]+)*/?", path) or (not path and function)):
            continue
        last = path or last
        assert list(ROOT.glob(last)), quoted
        if function:
            assert re.search(rf"^def {function}\(", (ROOT / last).read_text(encoding="utf-8"), re.MULTILINE), quoted


def test_the_readme_fits_on_three_screens():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("page", [page for page in PAGES if page not in RECORDS], ids=lambda page: page.name)
def test_prose_is_wrapped(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for line in text.splitlines():
        assert len(line) <= 100 or line.startswith(("|", "![")), line


@pytest.mark.parametrize(
    "word", ["resume", "GPU", "unlabelled", "ONNX", "beta", "overwrite", "torchrun", "Slurm", "NaN", "S3"]
)
def test_a_search_finds_a_page(word):
    assert any(
        word in page.read_text(encoding="utf-8") for page in PAGES if DOCS in page.parents and page not in RECORDS
    )


def test_every_page_but_the_log_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2].partition("\nexclude_docs")[0]
    listed = set(re.findall(r": (\S+\.md)$", text, re.MULTILINE))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"log.md"}
