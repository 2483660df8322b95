"""A text student on words, pairs of words and character n-grams, which starts from a linear model on them."""

import hashlib
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aft.data import TEXT, TEXT_PAIR
from aft.errors import ModelError, UsageError
from aft.models._backbone import Backbone, Batch, LinearStart, Recipe
from aft.models._hashing import GROUP_BITS, Keys, hash_ngrams
from aft.models._spec import ModelSpec
from aft.models._text import LONGEST_TEXT, clip

RECIPE = Recipe(lr=3e-4, weight_decay=0.0, epochs=10)
#: Texts whose n-grams are computed together.
CHUNK = 4096
#: File of the n-grams among a run's assets.
FILE = "ngrams.npz"


class Ngrams(NamedTuple):
    """An encoded text.

    Attributes:
        rows: Rows of the table, ``(n,)``.
        values: TF-IDF weights; those of the words of a text, and those of its character n-grams, have norm 1.
    """

    rows: NDArray[np.int32]
    values: NDArray[np.float32]


class NgramText(Backbone, LinearStart):
    """The sum of the vectors of a text's n-grams, weighted by TF-IDF, beside a hidden layer over that sum.

    Args:
        keys: The known n-grams' hashes, ascending, ``(V,)``.
        idf: Their inverse document frequencies, ``(V,)``.
        width: Number of columns of the table.
        hidden: Width of the hidden layer.
        dropout: Dropout rate before and after the hidden layer.
    """

    accepts = (TEXT, TEXT_PAIR)
    recipe = RECIPE

    def __init__(self, keys: Keys, idf: NDArray[np.float32], *, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self._keys, self._idf = keys, idf
        self.table = nn.EmbeddingBag(len(keys), width, mode="sum")
        nn.init.normal_(self.table.weight, std=width**-0.5)
        self.mlp = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout))
        self.dim = width + hidden

    def encode_own(self, inputs: Sequence[Any]) -> list[Ngrams]:
        """Look up the n-grams of texts, or of pairs of texts. Unknown ones are left out."""
        encoded: list[Ngrams] = []
        for start in range(0, len(inputs), CHUNK):
            encoded += self._encode(inputs[start : start + CHUNK])
        return encoded

    def _encode(self, inputs: Sequence[Any]) -> list[Ngrams]:
        found = hash_ngrams(_columns(inputs))
        place = np.searchsorted(self._keys, found.keys).clip(max=len(self._keys) - 1)
        known = self._keys[place] == found.keys
        rows, texts = place[known], found.texts[known]
        values = (1 + np.log(found.counts[known])) * self._idf[rows]
        owner = (texts << GROUP_BITS) + found.groups[known]
        norms = np.sqrt(np.bincount(owner, values**2))
        values, rows = (values / norms[owner]).astype(np.float32), rows.astype(np.int32)
        ends = np.searchsorted(texts, np.arange(1, len(inputs) + 1)).tolist()
        return [Ngrams(rows[start:end], values[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

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
        """Features ``(B, d)`` of a batch: the weighted sum, and the hidden layer over it."""
        total = self.table(batch["rows"], batch["offsets"], per_sample_weights=batch["values"])
        return torch.cat([total, self.mlp(total)], dim=1)

    @property
    def linear_start(self) -> LinearStart:
        """The backbone itself."""
        return self

    def linear_inputs(self, encoded: Sequence[Ngrams]) -> Any:
        """The TF-IDF weights, a sparse matrix ``(N, V)`` of scipy."""
        from scipy import sparse

        rows = np.concatenate([text.rows for text in encoded])
        values = np.concatenate([text.values for text in encoded])
        ends = np.cumsum([0, *(len(text.rows) for text in encoded)])
        return sparse.csr_matrix((values, rows, ends), shape=(len(encoded), len(self._keys)))

    def start_from(self, weight: Tensor, head: Tensor) -> None:
        """Take over a linear model, in the first columns of the table, as well as its width allows."""
        left, scale, right = torch.linalg.svd(weight.double(), full_matrices=False)
        kept = min(self.table.embedding_dim, int((scale > 1e-6 * scale[0]).sum()))
        with torch.no_grad():
            self.table.weight[:, :kept] = (right[:kept].T * scale[:kept]).to(self.table.weight)
            head.zero_()
            head[:, :kept] = left[:, :kept]

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """A digest of the n-grams and their weights."""
        return {"ngrams": self._digest()}

    def config(self) -> dict[str, Any]:
        """The sizes; the n-grams are an asset, which is recognised by its digest."""
        return {
            "class": "ngrams", "width": self.table.embedding_dim, "hidden": self.dim - self.table.embedding_dim,
            "dropout": self.mlp[0].p, "ngrams": self._digest(),
        }  # fmt: skip

    def save_assets(self, directory: Path) -> None:
        """Write the n-grams."""
        np.savez(directory / FILE, keys=self._keys, idf=self._idf)

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "NgramText":
        """Recreate the model with random weights.

        Raises:
            ModelError: The file of the n-grams is missing or damaged.
        """
        model = None
        with suppress(OSError, KeyError, ValueError, BadZipFile, zlib.error):
            with (assets / FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                keys, idf = arrays["keys"], arrays["idf"]
            model = cls(keys, idf, **{name: config[name] for name in ("width", "hidden", "dropout")})
        if model is None or model._digest() != config["ngrams"]:
            raise ModelError(
                f"{str(assets / FILE)!r} is not what was written to it; restore it from a copy, or train again"
            )
        return model

    def _digest(self) -> str:
        """SHA-256 of the n-grams and their weights."""
        return hashlib.sha256(self._keys.tobytes() + self._idf.tobytes()).hexdigest()


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
    texts = texts or []
    found = [hash_ngrams(_columns(texts[start : start + CHUNK])).keys for start in range(0, len(texts), CHUNK)]
    keys, frequency = np.unique(np.concatenate([np.empty(0, np.uint32), *found]), return_counts=True)
    if not len(keys):
        raise UsageError("n-grams are those of the training texts; received no text; pass a dataset of texts")
    # Characters that occur in one text only say little, and are many. Words and pairs of words are worth keeping.
    words = keys % 2 == 0
    frequent = np.flatnonzero((frequency > 1) | words)
    frequent = frequent[np.argsort(-frequency[frequent], kind="stable")][: options.get("vocabulary", 200_000)]
    frequent.sort()
    keys, frequency = keys[frequent], frequency[frequent]
    idf = (np.log((1 + len(texts)) / (1 + frequency)) + 1).astype(np.float32)
    return NgramText(
        keys, idf, width=options.get("width", min(128, max(8, outputs or 0))), hidden=options.get("hidden", 64),
        dropout=options.get("dropout", 0.1),
    )  # fmt: skip


def _columns(inputs: Sequence[Any]) -> list[list[str]]:
    """Texts, or the first and the second texts of pairs, without what is too long to be read."""
    if isinstance(inputs[0], str):
        return [[clip(text, LONGEST_TEXT) for text in inputs]]
    return [[clip(pair[side], LONGEST_TEXT) for pair in inputs] for side in (0, 1)]
