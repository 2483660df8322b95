"""A text student that knows the order of words and is nearly as small as a token table: convolutions over token vectors."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from aft.models._backbone import Batch, Recipe
from aft.models._spec import ModelSpec
from aft.models._table_text import TableText, restore_sizes
from aft.models._text import in_order, train_tokenizer

RECIPE = Recipe(lr=1e-3, epochs=50)

#: Tokens that a filter reads, and the distance between those that a filter of the second layer reads.
KERNEL, DILATION = 3, 2
#: Share of tokens that training leaves out.
LEFT_OUT = 0.1
#: What is subtracted from outputs at padding, so that they are never the largest; it fits into half precision.
PADDING = 1e4


class ConvText(TableText):
    """Two layers of convolutions over a text's token vectors: the largest and the mean output of each filter.

    The first layer reads three tokens at a time, the second seven. After Kim, *Convolutional Neural Networks for Sentence
    Classification* (2014), with a second, dilated layer.

    Args:
        tokenizer: A fast tokenizer of transformers.
        tokens: Number of rows of the token table.
        width: Number of columns of the token table.
        hidden: Filters of a layer.
        max_length: Largest number of tokens per text; longer texts are truncated.
        dropout: Dropout rate of token vectors and of the first layer's outputs.
        prompt: Text to put before every text.
        rows: Row of the token table for each token id of the tokenizer, ``(vocabulary,)``; None if they are the same.
    """

    recipe = RECIPE

    def __init__(
        self, tokenizer: Any, tokens: int, *, width: int, hidden: int, max_length: int, dropout: float, prompt: str = "",
        rows: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__(tokenizer, tokens, width=width, max_length=max_length, prompt=prompt, rows=rows)
        self.near, self.far = _convolution(width, hidden), _convolution(hidden, hidden, DILATION)
        self.dropout = nn.Dropout2d(dropout)  # of a column in all tokens of a text
        self.dim = width + 4 * hidden

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch: the mean of the token vectors, and of each layer the largest and the mean outputs."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        parts = self.parts(mask)
        if not parts:
            return self._features(self.vectors_of(ids), mask)
        own = [ids[rows, :longest] for rows, longest in parts]
        # One lookup for all, as each has a gradient of the size of the table.
        vectors = self.vectors_of(torch.cat([one.flatten() for one in own])).split([one.numel() for one in own])
        features = [
            self._features(found.unflatten(0, one.shape), mask[rows, :longest])
            for found, one, (rows, longest) in zip(vectors, own, parts, strict=True)
        ]
        return in_order(features, parts)

    def _features(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Features ``(B, d)`` from the token vectors ``(B, T, width)`` and the mask ``(B, T)`` of some texts."""
        if self.training:
            kept = torch.rand(mask.shape, device=mask.device) >= LEFT_OUT
            mask = mask * kept.index_fill(1, kept.new_zeros(1, dtype=torch.long), True)  # the first one stays
        seen = mask.to(vectors.dtype).unsqueeze(1)  # (B, 1, T)
        columns = self.dropout(vectors.transpose(1, 2).unsqueeze(2))  # (B, width, 1, T)
        # Padding reads as zeros, so that outputs do not depend on the other texts of a batch.
        near = functional.gelu(self.near(columns * seen.unsqueeze(1)))
        far = near + functional.gelu(self.far(self.dropout(near) * seen.unsqueeze(1)))
        share = seen / seen.sum(dim=2, keepdim=True).clamp(min=1)
        means = [torch.bmm(share, states.squeeze(2).transpose(1, 2)).squeeze(1) for states in (columns, near, far)]
        padding = (seen.unsqueeze(1) - 1) * PADDING
        largest = [(states + padding).amax(dim=(2, 3)) for states in (near, far)]
        # The largest output where there is no token is that of padding; a text without tokens has features of zero.
        return torch.cat([*means, *largest], dim=1) * seen[:, :, 0]

    def config(self) -> dict[str, Any]:
        """The sizes; the tokenizer is an asset."""
        return {
            "class": "cnn", "tokens": self.table.num_embeddings, "width": self.table.embedding_dim,
            "hidden": self.near.out_channels, "max_length": self.max_length, "dropout": self.dropout.p,
            "prompt": self.prompt, "rows": None if self.rows is None else len(self.rows),
        }  # fmt: skip

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "ConvText":
        """Recreate the model with random weights."""
        return cls(**restore_sizes(config, assets))


def _convolution(columns: int, filters: int, dilation: int = 1) -> nn.Conv2d:
    # Of height 1: on CPUs, a backward pass of Conv1d takes twice as long. Token vectors lie one after the other, and so
    # do the filters' weights for them, or each batch would be copied into another order.
    layer = nn.Conv2d(columns, filters, (1, KERNEL), padding="same", dilation=(1, dilation))
    return layer.to(memory_format=torch.channels_last)


def make_cnn(spec: ModelSpec, texts: Iterable[str] | None) -> ConvText:
    """Create ``aft:cnn``.

    Args:
        spec: The name with its options: ``width`` (128), ``hidden`` (128), ``vocabulary`` (20000), ``max_length`` (256),
            ``dropout`` (0.3), ``prompt`` and ``init``. The last is the name or folder of a transformers model, for example of the
            teacher: its tokenizer is used, and the table starts from what it makes of every token of the training texts.
        texts: Training texts.

    Returns:
        The backbone.

    Raises:
        UsageError: There are no training texts to learn a vocabulary from.
    """
    options = spec.options
    sizes = {
        "width": options.get("width", 128), "hidden": options.get("hidden", 128),
        "max_length": options.get("max_length", 256), "dropout": options.get("dropout", 0.3),
        "prompt": options.get("prompt", ""),
    }  # fmt: skip
    listed = list(texts or ())
    if "init" not in options:
        tokenizer = train_tokenizer(listed, options.get("vocabulary", 20_000))
        return ConvText(tokenizer, len(tokenizer), **sizes)
    from aft.models._token_vectors import token_table

    table = token_table(options["init"], listed, sizes["width"])
    model = ConvText(table.tokenizer, len(table.vectors), rows=table.rows, **sizes)
    model.start_table(table.vectors)
    return model
