"""However much is received, an error shows at most 300 characters of it."""

import inspect
import json

import numpy as np
import pytest

import aft
from aft import errors
from aft.data import Dataset, check_inputs
from tests.cli.test_cli import STUDENT, aft_command  # noqa: F401 - the fixture

SIZE = 1_000_000
LONG = {
    "letters": "\u00e9" * SIZE,
    "words": "\u00e9\u00e9\u00e9 " * (SIZE // 4),
    "quotes": "\u00e9'\u00e9\"" * (SIZE // 4),
    "lines": "\u00e9\u00e9\n" * (SIZE // 3),
}


def received(message):
    """How much of the input a message shows."""
    return message.count("\u00e9") + message.count("\\xe9") + message.count("\\u00e9")


ALL = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.AftError)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [*((kind, "words") for kind in ALL), *((errors.AftError, value) for value in LONG)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_exception_shows_little(kind, value):
    value = LONG[value]
    rule, remedy = "the rule is the user's", "mind the users' remedy"
    for shown in (repr(value), value, f"{value!r} and {value!r}", repr([value] * 3), repr(list(value[:1000]))):
        message = str(kind(f"{rule}; received {shown}; {remedy}"))
        assert len(message) <= errors.LONGEST_MESSAGE
        assert message.startswith(rule)
        assert message.endswith(remedy)
    assert received(str(kind(f"{rule}; received {value!r}; {remedy}"))) <= 300
    short = f"{rule}; received 'one' and the user's two; {remedy}; " + "a sentence of usual words, " * 20
    assert str(kind(short)) == short


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


#: Calls of the library that a value makes fail.
CALLS = {
    "label": lambda v, d: aft.train(
        Dataset.from_arrays(["a", "b", "c"] * 9, [v] * 27), STUDENT, out=d / "r", method="finetune"
    ),
    "regression label": lambda v, d: aft.train(
        Dataset.from_arrays([f"t{n}" for n in range(27)], [v, 1, 2] * 9), STUDENT, out=d / "r", method="finetune", task="regression"
    ),
    "id": lambda v, d: Dataset.from_arrays(["a", "b"], ids=[v, v]),
    "split": lambda v, d: Dataset.from_arrays(["a", "b"], splits=[v, "train"]),
    "array label": lambda v, d: Dataset.from_arrays(["a"], [np.full(SIZE, 7)]),
    "column": lambda v, d: Dataset.from_table(write(d, "t.csv", "a,b\n1,2\n"), text=v),
    "columns": lambda v, d: Dataset.from_table(write(d, "t.csv", f'"{v.replace(chr(34), "")}",b\n1,2\n'), text="c"),
    "path": lambda v, d: Dataset.from_table(v[:100].replace("\n", "") + ".csv", text="a"),
    "image path": lambda v, d: Dataset.from_table(
        write(d, "t.jsonl", json.dumps({"image": f"../{v}"}) + "\n"), image="image"
    ),
    "JSON line": lambda v, d: Dataset.from_table(write(d, "t.jsonl", json.dumps(v) + "\n"), text="a"),
    "student": lambda v, d: aft.train(Dataset.from_arrays(["a", "b"] * 9, [0, 1] * 9), v, out=d / "r", method="finetune"),
    "option of a student": lambda v, d: aft.models.load_backbone(f"aft:static,{v}=1", role="student"),
    "teacher": lambda v, d: aft.extract(Dataset.from_arrays(["a", "b"]), f"python:{v}", out=d / "f"),
    "method": lambda v, d: aft.TrainConfig().replace(method=v) and aft.train(
        Dataset.from_arrays(["a", "b"] * 9, [0, 1] * 9), STUDENT, out=d / "r", method=v
    ),
    "setting": lambda v, d: aft.TrainConfig(**{v: 1}),
    "value of a setting": lambda v, d: aft.TrainConfig(beta=v),
    "weights of classes": lambda v, d: aft.train(
        Dataset.from_arrays([f"t{n}" for n in range(20)], ["x", "y"] * 10), STUDENT, out=d / "r", method="finetune", beta=0,
        class_weights={v: 1.0},
    ),
    "store": lambda v, d: aft.FeatureStore.open(d / v[:100].replace("\n", "")),
    "input of a model": lambda v, d: check_inputs([v], ("image",)),
    "kind of gates": lambda v, d: aft.AFT({"t": 3}, student_dim=2, gates=v),
    "name of a teacher": lambda v, d: aft.AFT({"t": 3}, student_dim=2)(np.zeros(3), {v: 1}),
    "report": lambda v, d: aft.report(d / v[:100].replace("\n", "")),
    "subset": lambda v, d: aft.evaluate(d, Dataset.from_arrays(["a"]), on=v),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", LONG)
def test_a_megabyte_makes_no_long_message(tmp_path, call, kind):
    with pytest.raises(errors.AftError) as caught:
        CALLS[call](LONG[kind], tmp_path)
    message = str(caught.value)
    assert len(message) <= errors.LONGEST_MESSAGE
    assert received(message) <= 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "t.csv", "--steps", LONG["letters"]],
        ["train", "t.csv", f"--{LONG['letters']}"],
        [LONG["words"]],
        ["train", "t.csv", "--student", "s", "--out", "r", "--options", LONG["words"]],
        ["train", "--set", LONG["words"]],
        ["train", "--set", f"lr={LONG['words']}"],
        ["predict", LONG["letters"][:200], "--input", "x"],
    ],
    ids=["value", "option", "command", "options", "set", "set value", "run"],
)
def test_the_command_line_shows_little(aft_command, arguments):  # noqa: F811
    status, out, err = aft_command(*arguments)
    assert status == 2
    assert received(err) <= 300
    assert len(out + err) < 1500
