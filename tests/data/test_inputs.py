import hashlib

import numpy as np
import pytest
from PIL import Image

from aft.data import ARRAY, IMAGE, TEXT, TEXT_PAIR, Dataset, modality_name
from aft.errors import DataError

PICTURE = Image.new("RGB", (2, 2), "red")


@pytest.mark.parametrize(
    ("inputs", "modality", "kind", "sort_by_length", "texts"),
    [
        (["a", "b", "c"], TEXT, "text", True, ["c", "a"]),
        ([("a", "A"), ("b", "B"), ("c", "C")], TEXT_PAIR, "pair", True, ["c", "C", "a", "A"]),
        ([PICTURE] * 3, IMAGE, "image", False, []),
        (np.zeros((3, 2)), ARRAY, "array", False, []),
    ],
)
def test_inputs_know_their_modality(inputs, modality, kind, sort_by_length, texts):
    dataset = Dataset.from_arrays(inputs)
    assert dataset.modality == dataset.inputs.modality == modality
    assert dataset.kind == dataset.source["kind"] == kind
    assert dataset.inputs.sort_by_length is sort_by_length
    assert dataset.inputs.texts([2, 0]) == texts
    assert dataset.subset([1]).modality == modality


def test_other_modalities_are_named_by_their_parts():
    assert modality_name(("image", "text")) == "image+text"


def test_a_folder_and_a_table_have_modalities(pictures, reviews):
    assert Dataset.from_folder(pictures).modality == IMAGE
    assert Dataset.from_table(reviews, text="sentence").inputs.texts([0])[0].startswith("a ")


def test_digests_never_change():
    """Feature stores record digests: a change would make every store stale."""

    def expected(*parts):
        state = hashlib.blake2b(digest_size=16, person=b"aft-input")
        for part in parts:
            state.update(len(part).to_bytes(8, "little") + part)
        return state.hexdigest()

    values = np.arange(3, dtype=np.float32)
    for inputs, parts in (
        (["é"], ["é".encode()]),
        ([("a", "b")], [b"a", b"b"]),
        ([PICTURE], [b"(2, 2)", PICTURE.tobytes()]),
        ([values], [b"float32", b"(3,)", values.tobytes()]),
        ([values.astype(np.float64)], [b"float32", b"(3,)", values.tobytes()]),
    ):
        dataset = Dataset.from_arrays(inputs)
        assert dataset.digests == dataset.ids == [expected(*parts)]


def test_arrays_with_nan_are_unreadable():
    dataset = Dataset.from_arrays(np.array([[1.0], [np.nan]]))
    assert dataset.ids[1] == "row-2"
    with pytest.raises(DataError, match="the array holds NaN or infinity"):
        dataset.verified()
