"""A text student on words, pairs of words and character n-grams, which starts from a linear model on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from aft.data import TEXT, TEXT_PAIR
from aft.errors import ModelError, UsageError
from aft.models._backbone import Backbone, Batch, LinearStart, Recipe
from aft.models._spec import ModelSpec
from aft.preprocessing import Ngrams, NgramTable, pad_ngrams

RECIPE = Recipe(lr=3e-4, weight_decay=0.0, epochs=10)


class NgramText(Backbone, LinearStart):
    """The sum of the vectors of a text's n-grams, weighted by TF-IDF, beside a hidden layer over that sum.

    Args:
        ngrams: The known n-grams.
        width: Number of columns of the table.
        hidden: Width of the hidden layer.
        dropout: Dropout rate before and after the hidden layer.
    """

    accepts = (TEXT, TEXT_PAIR)
    recipe = RECIPE

    def __init__(self, ngrams: NgramTable, *, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.ngrams = ngrams
        self.table = nn.EmbeddingBag(len(ngrams), width, mode="sum")
        nn.init.normal_(self.table.weight, std=width**-0.5)
        self.mlp = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout))
        self.dim = width + hidden

    def encode_own(self, inputs: Sequence[Any]) -> list[Ngrams]:
        """Look up the n-grams of texts, or of pairs of texts. Unknown ones are left out."""
        return self.ngrams(inputs)

    def collate(self, encoded: Sequence[Ngrams]) -> Batch:
        """Concatenate.

        Returns:
            ``rows`` and ``values``, ``(n,)``, of all texts; ``offsets`` ``(B,)``, where each text begins.
        """
        lengths = [len(text.rows) for text in encoded]
        return {
            "rows": torch.from_numpy(np.concatenate([text.rows for text in encoded]).astype(np.int64)),
            "values": torch.from_numpy(np.concatenate([text.values for text in encoded])),
            "offsets": torch.from_numpy(np.cumsum([0, *lengths[:-1]])),
        }

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch: the weighted sum, and the hidden layer over it.

        Args:
            batch: From `collate` or `graph_batch`.
        """
        if "offsets" in batch:
            total = self.table(batch["rows"], batch["offsets"], per_sample_weights=batch["values"])
        else:
            total = (batch["values"].unsqueeze(1) @ functional.embedding(batch["rows"], self.table.weight)).squeeze(1)
        return torch.cat([total, self.mlp(total)], dim=1)

    @property
    def linear_start(self) -> LinearStart:
        """The backbone itself."""
        return self

    @property
    def linear_width(self) -> int:
        """The number of n-grams."""
        return len(self.ngrams)

    def linear_inputs(self, encoded: Sequence[Ngrams]) -> Any:
        """The TF-IDF weights, a sparse matrix ``(N, V)`` of scipy."""
        from scipy import sparse

        rows = np.concatenate([text.rows for text in encoded])
        values = np.concatenate([text.values for text in encoded])
        ends = np.cumsum([0, *(len(text.rows) for text in encoded)])
        return sparse.csr_matrix((values, rows, ends), shape=(len(encoded), len(self.ngrams)))

    def start_from(self, weight: Tensor, head: Tensor) -> None:
        """Take over a linear model, in the first columns of the table, as well as its width allows."""
        own, columns = self.factors(weight, self.table.embedding_dim)
        kept = columns.shape[1]
        with torch.no_grad():
            self.table.weight[:, :kept] = columns.to(self.table.weight)
            head.zero_()
            head[:, :kept] = own

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """A digest of the n-grams and their weights."""
        return {"ngrams": self.ngrams.digest()}

    def config(self) -> dict[str, Any]:
        """The sizes; the n-grams are an asset, which is recognised by its digest."""
        return {
            "class": "ngrams", "width": self.table.embedding_dim, "hidden": self.dim - self.table.embedding_dim,
            "dropout": self.mlp[0].p, "ngrams": self.ngrams.digest(),
        }  # fmt: skip

    def encodings(self) -> list[dict[str, Any]]:
        """The n-grams are a file."""
        return [{"kind": "ngrams", "reads": self.reads, "folder": "."}]

    def save_encodings(self, directory: Path) -> None:
        """Write the n-grams."""
        self.ngrams.save(directory)

    def graph_batch(self, encoded: Sequence[Ngrams]) -> Batch:
        """Pad: ``rows`` and ``values``, ``(B, n)``."""
        return {name: torch.from_numpy(array) for name, array in pad_ngrams(encoded).items()}

    def save_assets(self, directory: Path) -> None:
        """Write the n-grams."""
        self.ngrams.save(directory)

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "NgramText":
        """Recreate the model with random weights.

        Raises:
            ModelError: The file of the n-grams is missing or damaged.
        """
        ngrams = NgramTable.load(assets)
        if ngrams is None or ngrams.digest() != config["ngrams"]:
            raise ModelError(
                f"the n-grams in {str(assets)!r} are not what was written to it; restore them from a copy, or train again"
            )
        return cls(ngrams, **{name: config[name] for name in ("width", "hidden", "dropout")})


def make_ngrams(spec: ModelSpec, texts: Sequence[Any] | None, outputs: int | None = None) -> NgramText:
    """Create ``aft:ngrams``.

    Args:
        spec: The name with its options: ``width`` (the number of outputs, between 8 and 128), ``hidden`` (64), ``vocabulary``
            (200000), the most n-grams, and ``dropout`` (0.1).
        texts: Training inputs: texts, or pairs of texts.
        outputs: Number of outputs of the task, if it is known.

    Returns:
        The backbone.

    Raises:
        UsageError: There are no training texts to take n-grams from.
    """
    options = spec.options
    ngrams = NgramTable.of(texts or [], options.get("vocabulary", 200_000))
    if not len(ngrams):
        raise UsageError("n-grams are those of the training texts; received no text; pass a dataset of texts")
    return NgramText(
        ngrams, width=options.get("width", min(128, max(8, outputs or 0))), hidden=options.get("hidden", 64),
        dropout=options.get("dropout", 0.1),
    )  # fmt: skip
