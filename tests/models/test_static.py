"""Token tables that start from a linear model."""

from collections import Counter
from math import log

import numpy as np
import pytest
import torch

from aft.models import Student, load_backbone
from aft.models._static import StaticText, _some

TEXTS = ["a lovely film", "a dull film", "a film of a film", "what a lovely day", "dull, dull, dull"]
PAIRS = [("a film", "a lovely film"), ("what", "a day"), ("dull", "dull dull")]


def static(spec="aft:static,vocabulary=100", texts=TEXTS):
    return load_backbone(spec, role="student", texts=lambda: texts, example=texts[0]).eval()


@pytest.fixture
def pruned(folders):
    return static(f"aft:static,width=12,init={folders / 'bert'}")


def outputs(student, inputs):
    backbone = student.backbone
    with torch.no_grad():
        return student(backbone.collate(backbone.encode(inputs))).logits


@pytest.mark.parametrize("inputs", [[*TEXTS, "", "a word that no training text has: zebra"], PAIRS])
def test_a_student_computes_the_linear_model_that_it_starts_from(inputs):
    backbone = static(texts=inputs)
    student = Student(backbone, 3).eval()
    rows = backbone.linear_start.linear_inputs(backbone.encode(inputs))
    weight, bias = torch.randn(3, rows.shape[1]), torch.randn(3)
    student.start_from(weight, bias)
    expected = torch.from_numpy(rows @ weight.T.numpy()) + bias
    assert torch.allclose(outputs(student, inputs), expected, atol=1e-5)


def test_a_table_that_comes_from_a_model_keeps_its_first_columns(pruned):
    before = pruned.table.weight.detach().clone()
    student = Student(pruned, 3).eval()
    rows = pruned.linear_start.linear_inputs(pruned.encode(TEXTS))
    weight = torch.randn(3, rows.shape[1])
    student.start_from(weight, torch.zeros(3))
    assert torch.allclose(outputs(student, TEXTS), torch.from_numpy(rows @ weight.T.numpy()), atol=1e-5)
    assert torch.equal(pruned.table.weight[:, :9], before[:, :9])
    assert not torch.equal(pruned.table.weight[:, 9:], before[:, 9:])


def test_a_table_that_is_too_narrow_takes_over_the_nearest_linear_model():
    backbone = static("aft:static,vocabulary=100,width=2")
    student = Student(backbone, 4).eval()
    rows = backbone.linear_start.linear_inputs(backbone.encode(TEXTS))
    weight = torch.randn(4, rows.shape[1])
    student.start_from(weight, torch.zeros(4))
    left, scale, right = torch.linalg.svd(weight, full_matrices=False)
    nearest = (left[:, :2] * scale[:2]) @ right[:2]
    assert torch.allclose(outputs(student, TEXTS), torch.from_numpy(rows @ nearest.T.numpy()), atol=1e-5)


@pytest.mark.parametrize(("outputs", "width"), [(None, 64), (2, 64), (100, 100), (500, 128)])
def test_a_table_is_as_wide_as_there_are_outputs(outputs, width, folders):
    made = load_backbone("aft:static", role="student", texts=lambda: TEXTS, example=TEXTS[0], outputs=outputs)
    assert made.table.embedding_dim == width
    spec = f"aft:static,width=12,init={folders / 'bert'}"
    made = load_backbone(spec, role="student", texts=lambda: TEXTS, example=TEXTS[0], outputs=outputs)
    assert made.table.embedding_dim == 12 + min(128, outputs or 0)


def test_the_linear_inputs_are_shares_of_tokens_weighted_by_their_rarity():
    backbone = static()
    found = backbone.linear_inputs(backbone.encode(TEXTS)).toarray()
    tokens = [backbone.tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    documents = Counter(token for text in tokens for token in set(text))
    expected = np.zeros_like(found)
    for place, text in enumerate(tokens):
        for token in text:
            expected[place, token] += (log(6 / (1 + documents[token])) + 1) / len(text)
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_texts_that_frequencies_are_counted_in_are_evenly_spread(monkeypatch):
    monkeypatch.setattr("aft.models._static.RARITY_TEXTS", 3)
    assert _some(list("abc")) == ["a", "b", "c"]
    assert _some(list("abcdefg")) == ["a", "d", "g"]
    assert _some([]) == []


def test_a_table_of_an_earlier_version_is_restored_without_a_direct_path(tmp_path):
    backbone = static("aft:static,vocabulary=100,width=8,hidden=16")
    backbone.save_assets(tmp_path)
    config = backbone.config()
    assert (config.pop("direct"), backbone.dim) == (True, 24)
    old = StaticText.restore(config, tmp_path)
    assert (old.dim, old.linear_start) == (16, None)
    assert old(old.collate(old.encode(TEXTS))).shape == (5, 16)
    again = StaticText.restore(old.config(), tmp_path)
    assert again.config() == old.config()
