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


def test_truncated_texts_are_counted():
    backbone = load_backbone("aft:static,max_length=6,vocabulary=200", role="student", texts=lambda: TEXTS)
    short, long = backbone.encode(["a", "a lovely bright warm film " * 9])
    assert not backbone.truncated(short)
    assert backbone.truncated(long)
    assert len(long.ids) == 6


def test_long_texts_are_clipped_at_a_space_near_the_limit():
    assert clip("title: " + "x" * 200_000, 100_000) == "title: " + "x" * (100_000 - 7)
    assert clip("word " * 50_000, 100_000).endswith("word")
