"""What text models share that begin with a table of token vectors."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.models._text import TextBackbone, require_transformers


class TableText(TextBackbone):
    """A text model that begins with a table of token vectors.

    Args:
        tokenizer: A fast tokenizer of transformers.
        tokens: Number of rows of the table.
        width: Number of columns of the table.
        max_length: Largest number of tokens per text; longer texts are truncated.
        prompt: Text to put before every text.
        rows: Row of the table for each token id of the tokenizer, ``(vocabulary,)``; None if they are the same.
    """

    rows: Tensor | None

    def __init__(
        self, tokenizer: Any, tokens: int, *, width: int, max_length: int, prompt: str, rows: Tensor | None
    ) -> None:
        super().__init__(tokenizer, max_length, prompt)
        self.table = nn.Embedding(tokens, width)
        self.register_buffer("rows", rows)

    def vectors_of(self, ids: Tensor) -> Tensor:
        """The vectors ``(..., width)`` of tokens, by their ids ``(...)``."""
        vectors: Tensor = self.table(ids if self.rows is None else self.rows[ids])
        return vectors

    def start_table(self, vectors: Tensor) -> None:
        """Put vectors ``(tokens, k)`` into the first k columns of the table."""
        with torch.no_grad():
            self.table.weight[:, : vectors.shape[1]] = vectors


def restore_sizes(config: dict[str, Any], assets: Path) -> dict[str, Any]:
    """The arguments that recreate a model: its sizes, its tokenizer, and rows of the right number, to be loaded.

    Args:
        config: The config of the model; its ``rows`` is the number of token ids, or None if these are the rows.
        assets: Directory of the tokenizer.
    """
    names = ("tokens", "width", "hidden", "max_length", "dropout", "prompt")
    return {
        **{name: config[name] for name in names},
        "tokenizer": require_transformers().AutoTokenizer.from_pretrained(assets, trust_remote_code=False),
        "rows": None if config["rows"] is None else torch.zeros(config["rows"], dtype=torch.long),
    }
