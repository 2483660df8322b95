import numpy as np
import pytest
import torch

from aft.data import Dataset
from aft.errors import DataError


def test_arrays_and_tensors():
    values, labels = np.arange(12.0).reshape(4, 3), [0, 1, 0, None]
    dataset = Dataset.from_arrays(values, labels, ids=list("abcd"))
    assert dataset.inputs[1].dtype == np.float32
    assert dataset.labels == [0, 1, 0, None]
    assert Dataset.from_arrays(torch.tensor(values), labels).digests == dataset.digests
    with pytest.raises(DataError, match="received 4 inputs and 3 targets"):
        Dataset.from_arrays(values, labels[:3])


def test_map_style_datasets_of_dicts():
    items = [{"text": f"t{i}", "y": i % 2} for i in range(4)]
    mapped = Dataset.from_map(items, input="text", label="y")
    assert mapped.kind == "text"
    assert mapped.labels == [0, 1, 0, 1]
    with pytest.raises(DataError, match="name the key"):
        Dataset.from_map(items, input="txt")


def test_a_dataset_can_be_made_from_a_dataset():
    dataset = Dataset.from_arrays(["one", "two"], ["a", None], ids=["x", "y"])
    again = Dataset.from_map(dataset, id=0, input=1, label=2)
    assert [*again] == [*dataset]
    assert again.digests == dataset.digests
