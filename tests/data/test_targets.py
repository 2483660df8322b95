import numpy as np
import pytest

from aft.data import Dataset, Targets, infer_targets
from aft.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("labels", "kind", "outputs"),
    [
        (["x", "y", None], "classification", 2),
        ([0, 1, 1], "classification", 2),
        (["0.5", "1.5", "2"], "regression", 1),
        (list(range(30)), "classification", 30),
        ([str(n) for n in range(101)], "classification", 101),
        ([float(n) for n in range(5)], "regression", 1),
        (["1.0", "2.0", "1.0"], "classification", 2),
        ([1.0, 0.0, None], "classification", 2),  # integers that a table has widened
        ([1.5, 0.0, None], "regression", 1),
        ([("a", "b"), ()], "multilabel", 2),
        ([True, False], "classification", 2),
    ],
)
def test_the_task_is_inferred_from_the_labels(labels, kind, outputs):
    targets = Targets.infer(labels)
    assert (targets.kind, targets.outputs) == (kind, outputs)


def test_widened_integers_keep_their_names():
    assert Targets.infer([1.0, 0.0, None]).classes == ("0", "1")
    assert Targets.infer([1.0, 0.0, None]).encode([0.0, 1, None], list("abc"))[0].tolist() == [0, 1, 0]


def test_labels_are_encoded_and_unknown_labels_are_named():
    targets = Targets.infer(["b", "a"])
    encoded, has = targets.encode(["a", None, "b"], list("xyz"))
    assert encoded.tolist() == [0, 0, 1]
    assert has.tolist() == [True, False, True]
    with pytest.raises(DataError, match="received 'c', first at id 'z'"):
        targets.encode(["a", "b", "c"], list("xyz"))
    values = Targets.infer(["1.5", "2.5", None], "regression")
    assert values.encode(["1.5", "2.5"], ["x", "y"])[0].tolist() == [-1.0, 1.0]
    many = Targets.infer(["a|b", "c"], "multilabel")
    assert many.encode(["c|a"], ["x"])[0].tolist() == [[1, 0, 1]]


def test_only_training_labels_define_the_task():
    dataset = Dataset.from_arrays(["one", "two", "three"], ["a", "b", "c"])
    assert infer_targets(dataset, [0, 1]).classes == ("a", "b")


def test_numbered_folders_are_classes(tmp_path):
    from PIL import Image

    for n in range(25):
        (tmp_path / f"{n:03}").mkdir()
        Image.new("RGB", (2, 2)).save(tmp_path / f"{n:03}" / "x.png")
    targets = infer_targets(Dataset.from_folder(tmp_path), range(25))
    assert (targets.kind, targets.outputs) == ("classification", 25)


def test_labels_that_are_arrays():
    values = np.zeros((4, 2), np.float32)
    assert Dataset.from_arrays(values, np.array([[0.5], [1.5], [2.5], [3.0]]), ids=list("abcd")).labels == [
        0.5,
        1.5,
        2.5,
        3.0,
    ]
    assert Dataset.from_arrays(values, np.array([[1, 0], [1, 1], [0, 0], [0, 1]]), ids=list("abcd")).labels == [
        ("0",),
        ("0", "1"),
        (),
        ("1",),
    ]
    with pytest.raises(DataError, match="0 or 1 for each class"):
        Dataset.from_arrays(values, np.full((4, 2), 0.3), ids=list("abcd"))


def test_a_given_task_is_kept():
    assert Targets.infer(["001", "002"], "classification").classes == ("001", "002")


def test_integer_classes_are_in_the_order_of_their_values():
    assert Targets.infer(["10", "9", "b", "a", "1"]).classes == ("1", "9", "10", "a", "b")
    assert Targets.infer(["002", "010", "001"]).classes == ("001", "002", "010")


def test_a_column_of_unique_values_is_not_a_column_of_labels():
    ids = [f"r{n}" for n in range(50)]
    dataset = Dataset.from_arrays([f"text {n}" for n in range(50)], ids)
    with pytest.raises(DataError, match="received 50 classes for 50 labels"):
        infer_targets(dataset, range(50))
    assert len(infer_targets(dataset, range(50), "classification").classes) == 50


def test_integers_are_widened_by_missing_labels_anywhere_in_the_column():
    labels = [float(n % 3) for n in range(30)] + [None] * 10
    data = Dataset.from_arrays([f"t{n}" for n in range(40)], labels)
    assert infer_targets(data, range(30)).kind == "classification"
    assert infer_targets(data.subset(range(30)), range(30)).kind == "regression"


def test_ordinal_classes_are_in_the_order_of_their_numbers_or_in_the_order_that_is_given():
    targets = Targets.infer(["10", "-1", "2", "2.5", None], "ordinal")
    assert (targets.kind, targets.name, targets.ordered) == ("classification", "ordinal", True)
    assert targets.classes == ("-1", "2", "2.5", "10")
    assert Targets.infer([3.0, 1.0, 2.0], "ordinal").classes == ("1", "2", "3")
    named = Targets.infer(["low", "high", "mid", "low"], order=("low", "mid", "high", "never seen"))
    assert (named.ordered, named.classes) == (True, ("low", "mid", "high"))
    assert named.encode(["high", "low"], ["x", "y"])[0].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("labels", "kind", "order", "error", "message"),
    [
        (
            ["low", "high", "mid"],
            "ordinal",
            (),
            DataError,
            r"are numbers, or order= lists them.*received 'high', 'low'",
        ),
        (["1", "2"], "ordinal", (), DataError, "at least three classes; received '1', '2'"),
        (["low", "mid", "high"], "auto", ("low", "high"), DataError, "lists every class of an ordinal task once"),
        (["low", "mid", "high"], "auto", ("low", "mid", "mid", "high"), DataError, "lists every class .* once"),
        (["low", "mid", "high"], "regression", ("low", "mid", "high"), UsageError, "received it for task='regression'"),
        (["a", "b"], "ordnal", (), UsageError, "did you mean 'ordinal'"),
    ],
)
def test_an_order_that_does_not_fit_is_an_error(labels, kind, order, error, message):
    with pytest.raises(error, match=message):
        Targets.infer(labels, kind, order)
