"""A token table from a large text model: what the model makes of every token, as small vectors.

The idea is that of model2vec: a token goes through the whole model alone, principal components shorten its vector, and frequent
tokens get short vectors, as in smooth inverse frequency (Arora et al., 2017). The mean of such vectors is a usable embedding of a
text before any training.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aft.core import hub_access
from aft.errors import UsageError
from aft.models._backbone import weights_digest
from aft.models._hf import load_hf
from aft.models._hf_text import HFText
from aft.models._kept_array import kept_array
from aft.models._spec import ModelSpec
from aft.models._vocabulary import rows_of
from aft.preprocessing import Tokens

log = logging.getLogger("aft")

#: Tokens per forward pass, and the frequency from which tokens count little.
BATCH, FREQUENT = 256, 1e-3


class TokenTable(NamedTuple):
    """A table of token vectors.

    Attributes:
        tokenizer: The model's tokenizer.
        rows: Row of the table for each token id of the tokenizer, ``(vocabulary,)``.
        vectors: ``(R, width)``, of mean square 1; narrower than asked for where the model has fewer directions.
    """

    tokenizer: Any
    rows: Tensor
    vectors: Tensor


def token_table(init: str, texts: Sequence[str], width: int) -> TokenTable:
    """Make the table that a student's option ``init`` asks for.

    Args:
        init: Name or folder of a transformers model, with or without ``hf:``.
        texts: The training texts.
        width: Largest width of the vectors.

    Returns:
        The table.

    Raises:
        UsageError: There are no texts.
    """
    if not texts:
        raise UsageError(
            "init= makes a token table for the tokens of training texts; received none; pass a dataset of texts"
        )
    name = init.removeprefix("hf:")
    with hub_access(name):
        table = make_token_table(name, tuple(texts), width)
    return table._replace(rows=table.rows.clone())  # each student has its own, the table is shared


@lru_cache(maxsize=2)  # students of several seeds start from the same table
def make_token_table(model: str, texts: tuple[str, ...], width: int) -> TokenTable:
    """Make the table for the tokens of some texts.

    Args:
        model: Name or folder of a transformers model.
        texts: The training texts.
        width: Largest width of the vectors.

    Returns:
        The table. All other tokens share the row of the unknown token.
    """
    source = load_hf(ModelSpec("hf", model), None)
    assert isinstance(source, HFText)
    counts = Counter(token for tokens in source.encode(texts) for token in tokens.ids.tolist())
    kept = sorted({*counts, *source.tokenizer.all_special_ids})

    def compute() -> NDArray[np.float32]:
        log.info("computing the vectors of %d tokens by %s", len(kept), model)
        return _vectors(source, kept).numpy()

    facts = (
        weights_digest(source),
        source.config(),
        source.preprocessing(),
        source.model.config.to_json_string(),
        kept,
    )
    vectors = torch.from_numpy(kept_array("token-vectors", facts, compute)).double()
    vectors = vectors - vectors.mean(dim=0)
    directions = torch.linalg.svd(vectors, full_matrices=False)[2][:width]
    vectors = (vectors @ directions.T) * _weights(kept, counts).unsqueeze(1)
    rows = rows_of(kept, len(source.tokenizer), source.tokenizer.unk_token_id)
    return TokenTable(source.tokenizer, rows, (vectors / vectors.square().mean().sqrt()).float())


def _weights(kept: Sequence[int], counts: Mapping[int, int]) -> Tensor:
    frequency = torch.tensor([counts.get(token, 0) for token in kept], dtype=torch.float64)
    frequency /= max(1.0, float(frequency.sum()))
    return FREQUENT / (FREQUENT + frequency)


def _vectors(source: HFText, tokens: Sequence[int]) -> Tensor:
    """A model's features ``(n, D)`` of texts that consist of one token each."""
    tokenizer = source.tokenizer
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    texts = [
        Tokens(np.array([one for one in (first, token, last) if one is not None], dtype=np.int32), None, False)
        for token in tokens
    ]
    source.eval()
    with torch.inference_mode():
        parts = [source(source.collate(texts[start : start + BATCH])) for start in range(0, len(texts), BATCH)]
    return torch.cat(parts).clone()
