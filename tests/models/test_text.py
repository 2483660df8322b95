import copy
import pickle

import pytest
import torch

from aft.errors import UsageError
from aft.models import load_backbone
from aft.models._text import pool_tokens, train_tokenizer
from aft.preprocessing import clip
from tests.models.conftest import TEXTS


def test_pooling_ignores_padding():
    states = torch.tensor([[[1.0], [2.0], [9.0]], [[3.0], [5.0], [7.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert pool_tokens(states, mask, "mean").flatten().tolist() == [1.5, 5.0]
    assert pool_tokens(states, mask, "last").flatten().tolist() == [2.0, 7.0]
    assert pool_tokens(states, mask, "max").flatten().tolist() == [2.0, 7.0]
    assert pool_tokens(states, mask, "cls").flatten().tolist() == [1.0, 3.0]


def test_learning_a_vocabulary_is_deterministic():
    one, two = train_tokenizer(TEXTS, 200), train_tokenizer(TEXTS, 200)
    assert one.get_vocab() == two.get_vocab()
    with pytest.raises(UsageError, match="pass a dataset of texts, or weights='pretrained'"):
        train_tokenizer([], 200)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pairs", [False, True])
def test_tokens_are_those_of_transformers(side, pairs):
    backbone = load_backbone("aft:static,max_length=9,vocabulary=200", role="student", texts=lambda: TEXTS)
    backbone.tokenizer.truncation_side = side
    backbone = copy.deepcopy(backbone)  # without what it keeps of the tokenizer
    inputs = [*TEXTS, "", "bright warm film " * 20]
    if pairs:
        inputs = list(zip(inputs, inputs[::-1], strict=True))
    expected = backbone.tokenizer(
        *map(list, zip(*inputs, strict=True)) if pairs else [inputs], truncation=True, max_length=9
    )
    encoded = backbone.encode(inputs)
    assert [one.ids.tolist() for one in encoded] == expected["input_ids"]
    assert [one.types.tolist() for one in encoded] == expected["token_type_ids"]


def test_what_others_do_with_the_tokenizer_changes_neither_tokens_nor_digest():
    backbone = load_backbone("aft:static,max_length=9,vocabulary=200", role="student", texts=lambda: TEXTS)
    digest = backbone.preprocessing()
    expected = [one.ids.tolist() for one in backbone.encode(TEXTS)]
    backbone.tokenizer(TEXTS, padding=True, truncation=True, max_length=4)
    assert [one.ids.tolist() for one in backbone.encode(TEXTS)] == expected
    assert backbone.preprocessing() == digest
    copied = pickle.loads(pickle.dumps(backbone))
    assert [one.ids.tolist() for one in copied.encode(TEXTS)] == expected
    assert copied.preprocessing() == digest


def test_truncated_texts_are_counted():
    backbone = load_backbone("aft:static,max_length=6,vocabulary=200", role="student", texts=lambda: TEXTS)
    short, long = backbone.encode(["a", "a lovely bright warm film " * 9])
    assert not backbone.truncated(short)
    assert backbone.truncated(long)
    assert len(long.ids) == 6


def test_long_texts_are_clipped_at_a_space_near_the_limit():
    assert clip("title: " + "x" * 200_000, 100_000) == "title: " + "x" * (100_000 - 7)
    assert clip("word " * 50_000, 100_000).endswith("word")
