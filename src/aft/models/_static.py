"""A text student for the smallest budgets: the mean of a text's token vectors, followed by a small MLP."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.models._backbone import Batch, Recipe
from aft.models._spec import ModelSpec
from aft.models._text import TextBackbone, pool_tokens, require_transformers, train_tokenizer

RECIPE = Recipe(lr=4e-3, epochs=20)


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
    """

    rows: Tensor | None

    def __init__(
        self, tokenizer: Any, tokens: int, *, width: int, hidden: int, max_length: int, dropout: float,
        prompt: str = "", rows: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__(tokenizer, max_length, prompt)
        self.table = nn.Embedding(tokens, width)
        self.mlp = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout))
        self.register_buffer("rows", rows)
        self.recipe = RECIPE
        self.dim = hidden

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        ids = batch["input_ids"] if self.rows is None else self.rows[batch["input_ids"]]
        features: Tensor = self.mlp(pool_tokens(self.table(ids), batch["attention_mask"], "mean"))
        return features

    def config(self) -> dict[str, Any]:
        """The sizes; the tokenizer is an asset."""
        return {
            "class": "static", "tokens": self.table.num_embeddings, "width": self.table.embedding_dim,
            "hidden": self.dim, "max_length": self.max_length, "dropout": self.mlp[0].p, "prompt": self.prompt,
            "rows": None if self.rows is None else len(self.rows),
        }  # fmt: skip

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "StaticText":
        """Recreate the model with random weights."""
        tokenizer = require_transformers().AutoTokenizer.from_pretrained(assets, trust_remote_code=False)
        names = ("width", "hidden", "max_length", "dropout", "prompt")
        rows = None if config["rows"] is None else torch.zeros(config["rows"], dtype=torch.long)
        return cls(tokenizer, config["tokens"], rows=rows, **{name: config[name] for name in names})


def make_static(spec: ModelSpec, texts: Iterable[str] | None) -> StaticText:
    """Create ``aft:static``.

    Args:
        spec: The name with its options: ``width`` (128), ``hidden`` (256), ``vocabulary`` (8000),
            ``max_length`` (256), ``dropout`` (0.3), ``prompt`` and ``embeddings``. The last is the folder of
            a transformers model: its tokenizer is used, and its token table, reduced to the tokens of the
            training texts and to ``width`` by PCA, initialises the token table.
        texts: Training texts.

    Returns:
        The backbone.

    Raises:
        UsageError: There are no training texts to learn a vocabulary from.
    """
    options = spec.options
    sizes = {
        "width": options.get("width", 128), "hidden": options.get("hidden", 256),
        "max_length": options.get("max_length", 256), "dropout": options.get("dropout", 0.3),
        "prompt": options.get("prompt", ""),
    }  # fmt: skip
    listed = list(texts or ())
    if "embeddings" not in options:
        tokenizer = train_tokenizer(listed, options.get("vocabulary", 8000))
        return StaticText(tokenizer, len(tokenizer), **sizes)
    from aft.models._hf import load_hf
    from aft.models._hf_text import HFText

    source = load_hf(ModelSpec("hf", options["embeddings"]), None)
    assert isinstance(source, HFText)
    table = source.model.get_input_embeddings().weight.detach()
    used = {token for tokens in source.encode(listed) for token in tokens.ids.tolist()}
    kept = sorted(used | set(source.tokenizer.all_special_ids))
    unknown = source.tokenizer.unk_token_id
    rows = torch.full((len(table),), kept.index(unknown) if unknown in kept else 0, dtype=torch.long)
    rows[torch.tensor(kept)] = torch.arange(len(kept))
    model = StaticText(source.tokenizer, len(kept), rows=rows, **sizes)
    chosen = table[torch.tensor(kept)].double()
    centred = chosen - chosen.mean(dim=0)
    directions = torch.linalg.svd(centred, full_matrices=False)[2][: sizes["width"]]
    reduced = centred @ directions.T
    with torch.no_grad():
        # Unit variance, like the initial weights of nn.Embedding.
        model.table.weight[:, : reduced.shape[1]] = (reduced / reduced.std()).float()
    return model
