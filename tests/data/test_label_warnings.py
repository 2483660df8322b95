"""Labels that look like mistakes are named."""

import pytest

from aft.data import Dataset, infer_targets


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["pos", "Pos", "neg"], ["'Pos', 'pos' differ only in case or spaces"]),
        (["new york", "new  york", "rome"], ["'new  york', 'new york' differ only in case or spaces"]),
        (["1", "1.0", "2"], ["'1', '1.0' differ only in how a number is written"]),
        (["a", "NA", "null"], ["labels 'NA', 'null' are classes; if they stand for"]),
        (["3,5", "4,0", "4,5"], ["such as '3,5', '4,0', '4,5' are classes; write numbers with a decimal point"]),
        (["pos", "neg", "1", "2"], []),
        ([0.5, 1.5, 2.0], []),
    ],
)
def test_labels_that_look_like_mistakes_are_named(labels, expected, caplog):
    dataset = Dataset.from_arrays([f"text {n}" for n in range(len(labels))], labels)
    infer_targets(dataset, range(len(labels)))
    assert len(caplog.records) == len(expected)
    for text in expected:
        assert text in caplog.text
