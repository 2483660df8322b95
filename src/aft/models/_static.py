"""A text student for the smallest budgets: the mean of a text's token vectors, followed by a small MLP."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.core import hub_access
from aft.errors import UsageError
from aft.models._backbone import Batch, Recipe
from aft.models._spec import ModelSpec
from aft.models._text import TextBackbone, pool_tokens, require_transformers, train_tokenizer

RECIPE = Recipe(lr=1.2e-2, epochs=20)
#: For a table that starts from a large model. Found on movie sentences outside the claims' test split, with 1,000 labels.
INITIALISED = Recipe(lr=1e-3, epochs=20)


class StaticText(TextBackbone):
    """The mean of learned token vectors, followed by one hidden layer.

    Args:
        tokenizer: A fast tokenizer of transformers.
        tokens: Number of rows of the token table.
        width: Number of columns of the token table.
        hidden: Width d of the features.
        max_length: Largest number of tokens per text; longer texts are truncated.
        dropout: Dropout rate before and after the hidden layer.
        prompt: Text to put before every text.
        rows: Row of the token table for each token id of the tokenizer, ``(vocabulary,)``; None if they are
            the same.
        counts_special: Whether the mean counts special and unknown tokens, as in runs of version 0.1.
    """

    rows: Tensor | None
    counted: Tensor

    def __init__(
        self, tokenizer: Any, tokens: int, *, width: int, hidden: int, max_length: int, dropout: float,
        prompt: str = "", rows: Tensor | None = None, counts_special: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(tokenizer, max_length, prompt)
        self.table = nn.Embedding(tokens, width)
        self.mlp = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout))
        self.register_buffer("rows", rows)
        self.counts_special = counts_special
        counted = torch.ones(len(tokenizer), dtype=torch.long)
        counted[[] if counts_special else tokenizer.all_special_ids] = 0
        self.register_buffer("counted", counted, persistent=False)
        self.recipe = RECIPE
        self.dim = hidden

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        ids = batch["input_ids"]
        rows = ids if self.rows is None else self.rows[ids]
        features: Tensor = self.mlp(pool_tokens(self.table(rows), batch["attention_mask"] * self.counted[ids], "mean"))
        return features

    def config(self) -> dict[str, Any]:
        """The sizes; the tokenizer is an asset."""
        return {
            "class": "static", "tokens": self.table.num_embeddings, "width": self.table.embedding_dim,
            "hidden": self.dim, "max_length": self.max_length, "dropout": self.mlp[0].p, "prompt": self.prompt,
            "rows": None if self.rows is None else len(self.rows), "counts_special": self.counts_special,
        }  # fmt: skip

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "StaticText":
        """Recreate the model with random weights."""
        tokenizer = require_transformers().AutoTokenizer.from_pretrained(assets, trust_remote_code=False)
        names = ("width", "hidden", "max_length", "dropout", "prompt")
        rows = None if config["rows"] is None else torch.zeros(config["rows"], dtype=torch.long)
        return cls(
            tokenizer, config["tokens"], rows=rows, counts_special=config.get("counts_special", True),
            **{name: config[name] for name in names},
        )  # fmt: skip


def make_static(spec: ModelSpec, texts: Iterable[str] | None) -> StaticText:
    """Create ``aft:static``.

    Args:
        spec: The name with its options: ``width`` (128, with ``init`` 256), ``hidden`` (256), ``vocabulary`` (8000),
            ``max_length`` (256), ``dropout`` (0.3), ``prompt`` and ``init``. The last is the name or folder of a
            transformers model, for example of the teacher: its tokenizer is used, and the table starts from what
            it makes of every token of the training texts.
        texts: Training texts.

    Returns:
        The backbone.

    Raises:
        UsageError: There are no training texts to learn a vocabulary from.
    """
    options = spec.options
    sizes = {
        "width": options.get("width", 256 if "init" in options else 128), "hidden": options.get("hidden", 256),
        "max_length": options.get("max_length", 256), "dropout": options.get("dropout", 0.3),
        "prompt": options.get("prompt", ""),
    }  # fmt: skip
    listed = list(texts or ())
    if "init" not in options:
        tokenizer = train_tokenizer(listed, options.get("vocabulary", 8000))
        return StaticText(tokenizer, len(tokenizer), **sizes)
    if not listed:
        raise UsageError(
            "init= makes a token table for the tokens of training texts; received none; pass a dataset of texts"
        )
    from aft.models._token_vectors import make_token_table

    name = options["init"].removeprefix("hf:")
    with hub_access(name):
        table = make_token_table(name, tuple(listed), sizes["width"])
    model = StaticText(table.tokenizer, len(table.vectors), rows=table.rows.clone(), **sizes)
    with torch.no_grad():
        model.table.weight[:, : table.vectors.shape[1]] = table.vectors
    model.recipe = INITIALISED
    return model
