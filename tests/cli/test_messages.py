"""Library messages name parameters; the command line shows them as options."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import aft
from aft.cli._app import app
from aft.cli._messages import name_options
from aft.runs import TrainConfig
from tests.cli.test_cli import aft_command  # noqa: F401 - the fixture

SOURCE = Path(aft.__file__).parent


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("choose another out=, or pass overwrite=True", "choose another --out, or pass --overwrite"),
        ("use leakage='drop'; raise batch_size=", "use --leakage drop; raise --batch-size"),
        ("received batch_size=1 for 2 processes", "received --batch-size 1 for 2 processes"),
        ("'out=x' is what was received; mixout=1", "'out=x' is what was received; mixout=1"),
        ("a store's file 'lake/out=train' is damaged", "a store's file 'lake/out=train' is damaged"),
        (
            "received 'hf:x,out=mean' and \"it's out=1\"; set out='b'",
            "received 'hf:x,out=mean' and \"it's out=1\"; set --out b",
        ),
    ],
)
def test_parameters_become_options(message, shown):
    assert name_options(message, ["out", "overwrite", "leakage", "batch_size"]) == shown


def test_library_messages_name_no_options():
    options = {option for command in get_command(app).commands.values() for p in command.params for option in p.opts}
    long = {option for option in options if option.startswith("--")}
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        }
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if "cli" not in path.parts and id(node) not in docstrings:
                found += [(path.name, word) for word in re.findall(r"--[a-z][a-z-]*", text) if word in long]
    # aft inspect is a command without a library function: its rows are its own.
    assert [item for item in found if item != ("_describe.py", "--verify")] == []


def test_every_setting_of_a_training_is_an_option():
    names = {parameter.name for parameter in get_command(app).commands["train"].params}
    assert set(TrainConfig.model_fields) <= names
    compared = {parameter.name for parameter in get_command(app).commands["compare"].params}
    # A comparison decides method and seed, and runs in one process for each training.
    assert set(TrainConfig.model_fields) - {"method", "seed", "objective_batch"} <= compared


def test_defaults_are_those_of_the_library():
    defaults = TrainConfig()
    for command in ("train", "compare"):
        for parameter in get_command(app).commands[command].params:
            if parameter.name in TrainConfig.model_fields and parameter.name not in ("method", "options"):
                assert parameter.default == getattr(defaults, parameter.name), (command, parameter.name)


def test_settings_that_are_json(aft_command, reviews, store, tmp_path):  # noqa: F811
    command = [
        "train", reviews, "--text", "sentence", "--label", "label", "--id", "id", "--student", "aft:static,width=8",
        "--features", store.path, "--method", "probe-kd", "--beta", "1", "--steps", "5", "--out", tmp_path / "run",
    ]  # fmt: skip
    given = ["--options", '{"temperature": 4}', "--class-weights", '{"pos": 1, "neg": 2}', "--warmup", "0.1"]
    assert aft_command(*command, *given)[0] == 0
    settings = aft.load(tmp_path / "run").config.settings
    assert settings.options == {"temperature": 4}
    assert settings.class_weights == {"pos": 1.0, "neg": 2.0}
    assert settings.warmup == 0.1
    status, _, err = aft_command(*command, "--options", "temperature=4")
    assert (status, "--options is a JSON object" in err) == (2, True)


def test_the_shell_completes_commands_and_options():
    environment = {"_AFT_COMPLETE": "complete_bash", "COMP_WORDS": "aft train --we", "COMP_CWORD": "2", "PATH": ""}
    code = "from aft.cli import main; import sys; sys.argv = ['aft']; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert {"--weighting", "--weight-decay", "--weights"} <= set(done.stdout.split())
