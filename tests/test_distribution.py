"""What is released: a wheel and a source archive, a citation, a workflow and a container."""

import json
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import aft
from tests.command_line_page import commands

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent


def run(*words, **options):
    """Run a command, and return its output."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A source archive, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(TOOLS / "uv", "build", "--no-build-isolation", "--python", sys.executable, "--quiet", "--out-dir", folder, ROOT)
    return folder


def test_a_clean_environment_installs_the_wheel_and_uses_it(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    assert wheel.name.startswith(f"adaptive_feature_transfer-{aft.__version__}-py3-none-any")
    run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "clean")
    python = tmp_path / "clean" / "bin" / "python"
    run(TOOLS / "uv", "pip", "install", "--quiet", "--python", python, wheel)
    command = tmp_path / "clean" / "bin" / "aft"
    assert run(command, "--version", cwd=tmp_path).strip() == f"aft {aft.__version__}"
    assert "aft:ngrams" in run(command, "students", "--budget", "1ms", cwd=tmp_path)  # reads a file of the package
    (tmp_path / "ids.txt").write_text("a\nb\n")
    (tmp_path / "v.jsonl").write_text('{"id": "a", "embedding": [1.0, 2.0]}\n{"id": "b", "embedding": [0.5, 1.0]}\n')
    run(command, "import-features", "v.jsonl", "--name", "api", "--out", "features", cwd=tmp_path)
    code = "import aft; print(aft.FeatureStore.open('features/api')[['b', 'a']].tolist())"
    assert json.loads(run(python, "-c", code, cwd=tmp_path)) == [[0.5, 1.0], [1.0, 2.0]]
    done = subprocess.run([command, "train", "v.jsonl"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "Traceback" not in done.stderr


def test_the_archives_hold_what_they_need(built):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if name.startswith("aft/")}
    package = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "aft").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == package
    with tarfile.open(source) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for path in (
        "Makefile",
        "constraints.txt",
        "tests/conftest.py",
        "README.md",
        "mkdocs.yml",
        "docs/index.md",
        "recipes/present-texts.yaml",
    ):
        assert path in names, path
    assert not any(name.startswith((".venv", "site/", "features/")) for name in names)


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == aft.__version__
    assert citation["cff-version"] == "1.2.0"
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first[1] == aft.__version__
    assert str(citation["date-released"]) in (ROOT / "CHANGELOG.md").read_text()


def test_the_workflow_runs_what_lands_a_change():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = workflow["jobs"]["ci"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_container_serves_with_an_extra_and_options_that_exist():
    text = (ROOT / "Dockerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (extra,) = re.findall(r"/src\[(\w+)\]", text)
    assert extra in extras
    name, *words = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1])
    assert name == "aft"
    options = {option for parameter in commands()[words[0]].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE):
        for source in shlex.split(line)[:-1]:
            assert source.startswith("${") or (ROOT / source).exists(), source
