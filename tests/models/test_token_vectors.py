"""Token tables that start from a large model."""

import numpy as np
import pytest
import torch

from aft.errors import ModelError, UsageError
from aft.models import _token_vectors, load_backbone
from aft.models._token_vectors import FREQUENT, make_token_table

TEXTS = ["a lovely film", "a dull film", "a film of a film", "what a lovely day"]


@pytest.fixture
def bert(folders):
    return str(folders / "bert")


def test_vectors_are_what_the_model_makes_of_each_token(bert):
    source = load_backbone(f"hf:{bert}", role="student")
    table = make_token_table(bert, tuple(TEXTS), 1000)
    ids = sorted(
        {token for text in source.encode(TEXTS) for token in text.ids.tolist()} | set(source.tokenizer.all_special_ids)
    )
    assert len(table.vectors) == len(ids)
    features, counts = [], []
    flat = [token for text in source.encode(TEXTS) for token in text.ids.tolist()]
    with torch.no_grad():
        for token in ids:
            batch = {"input_ids": torch.tensor([[source.tokenizer.cls_token_id, token, source.tokenizer.sep_token_id]])}
            features.append(source({**batch, "attention_mask": torch.ones(1, 3, dtype=torch.long)})[0].double())
            counts.append(flat.count(token))
    centred = torch.stack(features) - torch.stack(features).mean(dim=0)
    weights = FREQUENT / (FREQUENT + torch.tensor(counts, dtype=torch.float64) / len(flat))
    expected = centred * weights.unsqueeze(1)
    # Principal components are a rotation, so that inner products remain.
    products = table.vectors.double() @ table.vectors.double().T
    expected = expected @ expected.T
    assert torch.allclose(products / products.diagonal().mean(), expected / expected.diagonal().mean(), atol=1e-4)
    assert float(table.vectors.square().mean()) == pytest.approx(1.0, abs=1e-4)
    assert [int(table.rows[token]) for token in ids] == list(range(len(ids)))


def test_a_student_starts_from_them_whatever_the_seed(bert):
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(
            load_backbone(f"aft:static,width=5,init={bert}", role="student", texts=lambda: TEXTS, example=TEXTS[0])
        )
    assert torch.equal(made[0].table.weight, made[1].table.weight)
    assert torch.equal(made[0].table.weight, make_token_table(bert, tuple(TEXTS), 5).vectors)
    same = load_backbone(f"aft:static,width=5,init=hf:{bert}", role="student", texts=lambda: TEXTS, example=TEXTS[0])
    assert torch.equal(same.table.weight, made[0].table.weight)
    features = made[0](made[0].collate(made[0].encode(["a word that no training text has: zebra"])))
    assert np.isfinite(features.detach().numpy()).all()


def test_a_missing_model_and_missing_texts_say_so(bert):
    with pytest.raises(UsageError, match="init= makes a token table for the tokens of training texts; received none"):
        load_backbone(f"aft:static,init={bert}", role="student", texts=lambda: [], example="a")
    with pytest.raises(ModelError, match="nowhere"):
        load_backbone("aft:static,init=./nowhere", role="student", texts=lambda: TEXTS, example="a")


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """How often a model is asked for the vectors of tokens; nothing is kept in memory."""
    seen, computed = [], _token_vectors._vectors
    monkeypatch.setenv("AFT_CACHE", str(tmp_path))
    monkeypatch.setattr(_token_vectors, "_vectors", lambda *given: seen.append(1) or computed(*given))
    monkeypatch.setattr(_token_vectors, "make_token_table", make_token_table.__wrapped__)
    return seen


def table(bert, texts=TEXTS):
    return _token_vectors.token_table(bert, texts, 1000).vectors


def test_vectors_are_computed_once_on_a_machine(bert, calls, tmp_path):
    first = table(bert)
    assert torch.equal(table(bert), first)
    assert len(calls) == 1
    table(bert, [*TEXTS, "another word"])
    assert len(calls) == 2
    (first_file, _) = sorted((tmp_path / "token-vectors").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    damaged = bytearray(first_file.read_bytes())
    damaged[-1] ^= 1
    first_file.write_bytes(damaged)
    assert torch.equal(table(bert), first)
    assert len(calls) == 3
    assert torch.equal(table(bert), first)
    assert len(calls) == 3


def test_vectors_that_cannot_be_kept_are_computed_each_time(bert, calls, tmp_path):
    (tmp_path / "token-vectors").write_text("not a folder")
    assert torch.equal(table(bert), table(bert))
    assert len(calls) == 2
