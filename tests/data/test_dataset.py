import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from aft.data import Dataset, Sample, open_dataset
from aft.errors import DataError, UsageError


def test_a_sample_has_an_id_an_input_and_a_label():
    dataset = Dataset.from_arrays(["one", "two", "three"], ["a", None, "b"], ids=list("xyz"))
    assert dataset[0] == Sample(id="x", input="one", label="a")
    assert dataset[np.int64(1)] == ("y", "two", None)
    assert dataset[-1] == dataset[2]
    assert [sample.id for sample in dataset] == dataset.ids
    assert Dataset.from_arrays(["one"])[0].label is None


def test_indices_follow_the_rules_of_a_list():
    dataset = Dataset.from_arrays(["one", "two"])
    for index in (2, -3):
        with pytest.raises(IndexError):
            dataset[index]
    for index in (0.0, "0", slice(0, 1)):
        with pytest.raises(TypeError):
            dataset[index]


def test_a_data_loader_collates_labelled_samples():
    texts = Dataset.from_arrays(["one", "two", "three"], [1, 0, 1], ids=list("xyz"))
    batch = next(iter(DataLoader(texts, batch_size=2)))
    assert isinstance(batch, Sample)
    assert (list(batch.id), list(batch.input), batch.label.tolist()) == (["x", "y"], ["one", "two"], [1, 0])
    arrays = Dataset.from_arrays(np.eye(3), ["a", "b", "a"])
    batches = list(DataLoader(arrays, batch_size=3))
    assert len(batches) == 1
    assert torch.equal(batches[0].input, torch.eye(3))
    assert list(batches[0].label) == ["a", "b", "a"]


def test_a_data_loader_takes_unlabelled_samples_as_a_list(pictures):
    texts = Dataset.from_arrays(["one", "two", "three"], ["a", None, None])
    assert list(DataLoader(texts, batch_size=2, collate_fn=list)) == [[texts[0], texts[1]], [texts[2]]]
    images = Dataset.from_folder(pictures).subset([0, 1])
    ((first, second),) = DataLoader(images, batch_size=2, collate_fn=list)
    assert (first.id, second.input.size) == ("blue/00.png", (10, 12))


def test_unreadable_images_can_be_skipped(pictures):
    raw = (pictures / "red" / "03.png").read_bytes()
    (pictures / "red" / "03.png").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=r"of 40, 1 cannot be used, first 'red/03\.png': the image cannot be decoded"):
        Dataset.from_folder(pictures).verified()
    seen = []
    kept = Dataset.from_folder(pictures).verified("skip", seen.append)
    assert len(kept) == 39
    assert sum(seen) == 40
    assert [s.id for s in kept.skipped] == ["red/03.png"]
    assert len(kept.labels) == 39
    with pytest.raises(UsageError, match="bad_inputs= is 'error' or 'skip'"):
        kept.verified("ignore")


def test_a_subset_keeps_everything_about_its_samples():
    labels, splits, groups = ["a", "b", None], ["train", "test", "train"], ["g", None, "h"]
    dataset = Dataset.from_arrays(["one", "two", "three"], labels, ids=list("xyz"), splits=splits, groups=groups)
    for subset in (dataset.subset([2, 0]), dataset.subset(np.array([True, False, True])).subset([1, 0])):
        assert [*subset] == [dataset[2], dataset[0]]
        assert (subset.splits, subset.groups) == (["train", "train"], ["h", "g"])
    with pytest.raises(DataError, match="received an empty selection"):
        dataset.subset([])


def test_ids_are_unique():
    with pytest.raises(DataError, match="received duplicates of 'x'; name a unique column with id="):
        Dataset.from_arrays(["one", "two"], ids=["x", "x"])


def test_an_image_folder_has_no_columns(pictures):
    with pytest.raises(UsageError, match="received text='x', label='y' for"):
        open_dataset(pictures, text="x", label="y", image=None)
    assert len(open_dataset(pictures)) == 40
