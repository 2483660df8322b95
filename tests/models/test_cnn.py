"""Convolutions over token vectors."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from aft.models import load_backbone
from aft.models._cnn import ConvText
from aft.models._token_vectors import make_token_table

TEXTS = ["a lovely film", "a dull film", "a film of a film", "what a lovely day", "dull, dull, dull", "", "a"]
PAIRS = [("a film", "a lovely film"), ("what", "a day"), ("dull", "dull dull")]


def cnn(spec="aft:cnn,vocabulary=100,width=6,hidden=5", texts=TEXTS):
    return load_backbone(spec, role="student", texts=lambda: texts, example=texts[0]).eval()


def features(backbone, inputs):
    with torch.no_grad():
        return backbone(backbone.collate(backbone.encode(inputs)))


def filters(layer, states, distance):
    """What the filters of a layer make of one text, position by position."""
    weight, bias = layer.weight.detach().double().squeeze(2), layer.bias.detach().double()
    rows = []
    for place in range(len(states)):
        total = bias.clone()
        for tap, step in enumerate((-distance, 0, distance)):
            if 0 <= place + step < len(states):
                total += weight[:, :, tap] @ states[place + step]
        rows.append(functional.gelu(total))
    return torch.stack(rows)


@pytest.mark.parametrize("inputs", [TEXTS, PAIRS])
def test_features_are_those_of_each_text_by_itself(inputs):
    backbone = cnn(texts=inputs)
    for encoded, found in zip(backbone.encode(inputs), features(backbone, inputs), strict=True):
        vectors = backbone.table.weight.detach().double()[encoded.ids]
        near = filters(backbone.near, vectors, 1)
        far = near + filters(backbone.far, near, 2)
        expected = [one.mean(dim=0) for one in (vectors, near, far)] + [one.amax(dim=0) for one in (near, far)]
        assert torch.allclose(found.double(), torch.cat(expected), atol=1e-5)
        assert len(found) == backbone.dim


def test_training_leaves_out_tokens_but_never_all_of_a_text(monkeypatch):
    backbone = cnn("aft:cnn,vocabulary=100,width=6,hidden=5,dropout=0")
    whole = features(backbone, TEXTS)
    backbone.train()
    monkeypatch.setattr("aft.models._cnn.LEFT_OUT", 0.0)
    assert torch.equal(features(backbone, TEXTS), whole)
    monkeypatch.setattr("aft.models._cnn.LEFT_OUT", 1.0)
    alone = features(backbone, TEXTS)
    assert torch.allclose(alone, alone[:1].expand_as(alone), atol=1e-6)  # all begin with the same special token
    assert alone.isfinite().all()


def test_a_text_without_tokens_has_features_of_zero():
    backbone = cnn()
    batch = backbone.collate(backbone.encode(["a film", "a lovely film"]))
    batch["attention_mask"][0] = 0
    with torch.no_grad():
        found = backbone(batch)
    assert not found[0].any()
    assert torch.allclose(found[1], features(backbone, ["a lovely film"])[0], atol=1e-6)


def test_the_table_starts_from_a_large_model(folders):
    bert, made = str(folders / "bert"), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(cnn(f"aft:cnn,width=5,hidden=4,init={bert}"))
    vectors = make_token_table(bert, tuple(TEXTS), 5).vectors
    assert torch.equal(made[0].table.weight, made[1].table.weight)
    assert torch.equal(made[0].table.weight, vectors)
    assert not torch.equal(made[0].near.weight, made[1].near.weight)
    assert np.isfinite(features(made[0], ["a word that no training text has: zebra"]).numpy()).all()


def test_it_learns_what_the_order_of_words_says():
    texts = [f"{first} then {second}" for first in "abcd" for second in "abcd" if first != second] * 4
    wanted = torch.tensor([float(text[0] < text[-1]) for text in texts])
    torch.manual_seed(0)
    backbone: ConvText = cnn("aft:cnn,vocabulary=100,width=16,hidden=16,dropout=0", texts)
    head = torch.nn.Linear(backbone.dim, 1)
    optimiser = torch.optim.Adam([*backbone.parameters(), *head.parameters()], lr=0.01)
    batch = backbone.collate(backbone.encode(texts))
    for _ in range(100):
        loss = functional.binary_cross_entropy_with_logits(head(backbone(batch))[:, 0], wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(((head(backbone(batch))[:, 0] > 0) == (wanted > 0)).float().mean()) == 1.0
