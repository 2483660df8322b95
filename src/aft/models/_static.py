"""A text student for the smallest budgets: the mean of a text's token vectors, beside a hidden layer over that mean."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aft.models._backbone import Batch, LinearStart, Recipe
from aft.models._spec import ModelSpec
from aft.models._table_text import TableText, restore_sizes
from aft.models._text import pool_tokens, train_tokenizer
from aft.preprocessing import Tokens

RECIPE = Recipe(lr=3e-4, epochs=20)

#: The most texts that document frequencies are counted in.
RARITY_TEXTS = 20_000


class StaticText(TableText, LinearStart):
    """The mean of learned token vectors, beside a hidden layer over that mean.

    Args:
        tokenizer: A fast tokenizer of transformers.
        tokens: Number of rows of the token table.
        width: Number of columns of the token table.
        hidden: Width of the hidden layer.
        max_length: Largest number of tokens per text; longer texts are truncated.
        dropout: Dropout rate before and after the hidden layer.
        prompt: Text to put before every text.
        rows: Row of the token table for each token id of the tokenizer, ``(vocabulary,)``; None if they are
            the same.
        counts_special: Whether the mean counts special and unknown tokens, as in runs of version 0.1.
        direct: Whether the mean is among the features itself. Without it there is no linear start, as in runs of version 0.1.
    """

    counted: Tensor
    rarity: Tensor

    def __init__(
        self, tokenizer: Any, tokens: int, *, width: int, hidden: int, max_length: int, dropout: float,
        prompt: str = "", rows: Tensor | None = None, counts_special: bool = False, direct: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(tokenizer, tokens, width=width, max_length=max_length, prompt=prompt, rows=rows)
        self.mlp = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout))
        self.counts_special = counts_special
        counted = torch.ones(len(tokenizer), dtype=torch.long)
        counted[[] if counts_special else tokenizer.all_special_ids] = 0
        self.register_buffer("counted", counted, persistent=False)
        #: Inverse document frequency of each row, by which the linear model's inputs are weighted.
        self.register_buffer("rarity", torch.ones(tokens), persistent=False)
        self.recipe = RECIPE
        self.direct = direct
        self.dim = hidden + width * direct

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch: the mean, and the hidden layer over it."""
        mask = batch["attention_mask"] * self.counted[batch["input_ids"]]
        mean = pool_tokens(self.vectors_of(batch["input_ids"]), mask, "mean")
        hidden: Tensor = self.mlp(mean)
        return torch.cat([mean, hidden], dim=1) if self.direct else hidden

    @property
    def linear_start(self) -> LinearStart | None:
        """The backbone itself."""
        return self if self.direct else None

    @property
    def linear_width(self) -> int:
        """The number of rows."""
        return self.table.num_embeddings

    def linear_inputs(self, encoded: Sequence[Tokens]) -> Any:
        """The share of each token among those of a text, weighted by its rarity: a sparse matrix ``(N, rows)`` of scipy."""
        from scipy import sparse

        counted = self._counted_rows(encoded)
        ends = np.cumsum([0, *(len(rows) for rows in counted)])
        shares = np.repeat([1 / max(1, len(rows)) for rows in counted], np.diff(ends))
        rows = np.concatenate(counted)
        weighted = (shares * self.rarity.cpu().numpy()[rows], rows, ends)
        found = sparse.csr_matrix(weighted, shape=(len(encoded), self.table.num_embeddings), dtype=np.float32)
        found.sum_duplicates()
        return found

    def start_from(self, weight: Tensor, head: Tensor) -> None:
        """Take over a linear model, in the last columns of the table: where it comes from a model, they say least."""
        own, columns = self.factors(weight, self.table.embedding_dim)
        last = slice(self.table.embedding_dim - columns.shape[1], self.table.embedding_dim)
        with torch.no_grad():
            self.table.weight[:, last] = (columns * self.rarity.cpu()[:, None]).to(self.table.weight)
            head.zero_()
            head[:, last] = own

    def learn_rarity(self, texts: Sequence[str]) -> None:
        """Set the inverse document frequencies of the tokens to those of some texts."""
        counts = np.zeros(self.table.num_embeddings)
        for start in range(0, len(texts), 1024):
            for rows in self._counted_rows(self.encode(texts[start : start + 1024])):
                counts[np.unique(rows)] += 1
        self.rarity.copy_(torch.from_numpy(np.log((1 + len(texts)) / (1 + counts)) + 1))

    def _counted_rows(self, encoded: Sequence[Tokens]) -> list[NDArray[np.int64]]:
        """The rows of the tokens of each text that the mean counts."""
        counted = self.counted.cpu().numpy() > 0
        rows = np.arange(len(counted)) if self.rows is None else self.rows.cpu().numpy()
        return [rows[text.ids[counted[text.ids]]] for text in encoded]

    def config(self) -> dict[str, Any]:
        """The sizes; the tokenizer is an asset."""
        return {
            "class": "static", "tokens": self.table.num_embeddings, "width": self.table.embedding_dim,
            "hidden": self.mlp[1].out_features, "max_length": self.max_length, "dropout": self.mlp[0].p,
            "prompt": self.prompt, "rows": None if self.rows is None else len(self.rows),
            "counts_special": self.counts_special, "direct": self.direct,
        }  # fmt: skip

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "StaticText":
        """Recreate the model with random weights."""
        counts_special, direct = config.get("counts_special", True), config.get("direct", False)
        return cls(**restore_sizes(config, assets), counts_special=counts_special, direct=direct)


def make_static(spec: ModelSpec, texts: Iterable[str] | None, outputs: int | None = None) -> StaticText:
    """Create ``aft:static``.

    Args:
        spec: The name with its options: ``width`` (the number of outputs, between 64 and 128; with ``init``
            256, and as many columns as there are outputs beside them, up to 128), ``hidden`` (256), ``vocabulary`` (20000),
            ``max_length`` (256), ``dropout`` (0.3), ``prompt`` and ``init``. The last is the name or folder of a
            transformers model, for example of the teacher: its tokenizer is used, and the table starts from what
            it makes of every token of the training texts.
        texts: Training texts.
        outputs: Number of outputs of the task, if it is known.

    Returns:
        The backbone.

    Raises:
        UsageError: There are no training texts to learn a vocabulary from.
    """
    options = spec.options
    width = 256 if "init" in options else min(128, max(64, outputs or 0))
    sizes = {
        "width": options.get("width", width), "hidden": options.get("hidden", 256),
        "max_length": options.get("max_length", 256), "dropout": options.get("dropout", 0.3),
        "prompt": options.get("prompt", ""),
    }  # fmt: skip
    listed = list(texts or ())
    if "init" in options:
        from aft.models._token_vectors import token_table

        table = token_table(options["init"], listed, sizes["width"])
        sizes["width"] += min(128, outputs or 0)  # for the linear model, so that all of the vectors stay
        model = StaticText(table.tokenizer, len(table.vectors), rows=table.rows, **sizes)
        model.start_table(table.vectors)
    else:
        tokenizer = train_tokenizer(listed, options.get("vocabulary", 20_000))
        model = StaticText(tokenizer, len(tokenizer), **sizes)
    model.learn_rarity(_some(listed))
    return model


def _some(texts: list[str]) -> list[str]:
    """At most `RARITY_TEXTS` of the texts, evenly spread."""
    return texts[:: -(-len(texts) // RARITY_TEXTS) or 1]
