"""The batches of inference: which samples go together, and that it changes no output."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aft.models import Student, forward_all, load_backbone
from aft.models._inference import TOKENS, _end

WORDS = ["a", "delight", "from", "start", "to", "end", "of", "the", "plot", "bores"]


@given(st.lists(st.integers(1, 600), min_size=1, max_size=60), st.integers(1, 20), st.integers(1, 900))
def test_batches_hold_as_many_samples_as_their_limits_allow(lengths, batch_size, tokens):
    lengths, start = sorted(lengths), 0
    while start < len(lengths):
        end = _end(lengths, start, batch_size, tokens)
        assert start < end <= len(lengths)
        count, longest = end - start, lengths[end - 1]
        assert count <= batch_size
        assert count == 1 or count * longest <= tokens
        full = end == len(lengths) or count == batch_size
        assert full or (count + 1) * lengths[end] > tokens
        assert _end(lengths, start, batch_size, None) == min(start + batch_size, len(lengths))
        start = end


@pytest.mark.parametrize("name", ["aft:transformer,vocabulary=200,width=16,layers=1", "aft:ngrams+aft:static"])
def test_long_texts_go_in_small_batches_and_the_outputs_stay_the_same(name, monkeypatch):
    generator = Random(0)
    texts = [" ".join(generator.choices(WORDS, k=generator.randint(1, 120))) for _ in range(80)]
    backbone = load_backbone(name, role="student", texts=lambda: texts, example=texts[0])
    student, encoded = Student(backbone, 3).eval(), backbone.encode(texts)
    batches = []
    collate = backbone.collate
    monkeypatch.setattr(backbone, "collate", lambda own: batches.append(own) or collate(own))
    found = forward_all(student, encoded)
    assert len(batches) > 1
    for batch in batches:
        assert len(batch) * max(map(backbone.length, batch)) <= TOKENS
    alone = np.concatenate([forward_all(student, [one]).logits for one in encoded])
    np.testing.assert_allclose(found.logits, alone, rtol=1e-4, atol=1e-5)
