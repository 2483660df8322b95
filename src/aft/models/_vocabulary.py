"""Vocabulary pruning: a pretrained token table reduced to the tokens of a task."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import UsageError
from aft.preprocessing import LONGEST_TEXT, clip


def rows_of(kept: Sequence[int], vocabulary: int, unknown: int | None) -> Tensor:
    """Row of a smaller token table for each token id.

    Args:
        kept: Ids of the tokens that have a row of their own, in the order of the rows.
        vocabulary: Number of token ids.
        unknown: Id of the token whose row all others share; the first row if it has none.

    Returns:
        ``(vocabulary,)``.
    """
    rows = torch.full((vocabulary,), kept.index(unknown) if unknown in kept else 0, dtype=torch.long)
    rows[torch.tensor(kept)] = torch.arange(len(kept))
    return rows


def prune_vocabulary(model: Any, tokenizer: Any, texts: Iterable[str], size: int) -> Tensor:
    """Reduce a model's token table to the tokens of the training texts. The table is most of a small model.

    Args:
        model: The model; its token table is replaced.
        tokenizer: Its tokenizer, which stays as it is. Removed tokens share the row of the unknown token.
        texts: Training texts.
        size: Largest number of tokens to keep; the most frequent ones are kept.

    Returns:
        Row of the new table for each token id of the tokenizer, ``(vocabulary,)``.

    Raises:
        UsageError: There are no texts.
    """
    listed = [clip(text, LONGEST_TEXT) for text in texts]
    if not listed:
        raise UsageError(
            "a vocabulary is pruned to the tokens of the training texts; received none; leave out the option vocabulary"
        )
    counts = Counter(token for ids in tokenizer(listed, truncation=True)["input_ids"] for token in ids)
    special = set(tokenizer.all_special_ids)
    frequent = [
        token for token, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if token not in special
    ]
    kept = sorted({*special, *frequent[: max(0, size - len(special))]})
    table = model.get_input_embeddings()
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
    rows = rows_of(kept, table.num_embeddings, unknown)
    smaller = nn.Embedding(len(kept), table.embedding_dim, padding_idx=int(rows[tokenizer.pad_token_id]))
    with torch.no_grad():
        smaller.weight.copy_(table.weight[torch.tensor(kept)])
    model.set_input_embeddings(smaller)
    model.config.vocab_size = len(kept)
    model.config.pad_token_id = int(rows[tokenizer.pad_token_id])
    return rows
