"""Token ids of texts, and batches of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Texts are clipped to this many characters, or more for large limits, before they are tokenised: a tokenizer
#: would process millions of characters to return a few hundred tokens.
LONGEST_TEXT = 100_000


class Tokens(NamedTuple):
    """An encoded text.

    Attributes:
        ids: Token ids.
        types: Segment of each token in a pair of texts, 0 or 1; None for tokenizers without segments.
        truncated: Whether the text was longer than the limit.
    """

    ids: NDArray[np.int32]
    types: NDArray[np.int32] | None
    truncated: bool


def clip(text: str, length: int) -> str:
    """Shorten a text to at most so many characters, at a space if there is one among the last thousand."""
    if len(text) <= length:
        return text
    space = text.rfind(" ", length - 1000, length)
    return text[: space if space > 0 else length]


def longest_read(max_length: int) -> int:
    """The most characters that are tokenised where so many tokens are kept."""
    return max(LONGEST_TEXT, 50 * max_length)


def pad_tokens(encoded: Sequence[Tokens], pad: int, length: int | None = None) -> dict[str, NDArray[np.int64]]:
    """Pad texts on the right.

    Args:
        encoded: The texts.
        pad: Id of the padding token.
        length: Length to pad to; by default that of the longest text.

    Returns:
        ``input_ids`` and ``attention_mask``, both ``(B, T)``; also ``token_type_ids`` if the tokenizer has segments.
    """
    lengths = np.array([len(tokens.ids) for tokens in encoded])
    filled = np.arange(length or max(1, lengths.max())) < lengths[:, None]
    ids = np.full(filled.shape, pad, dtype=np.int64)
    ids[filled] = np.concatenate([tokens.ids for tokens in encoded])
    batch = {"input_ids": ids, "attention_mask": filled.astype(np.int64)}
    types = [tokens.types for tokens in encoded if tokens.types is not None]
    if types:
        batch["token_type_ids"] = np.zeros_like(ids)
        batch["token_type_ids"][filled] = np.concatenate(types)
    return batch


class TokenReader:
    """Tokenises texts as a text model does, with the package tokenizers alone.

    Args:
        tokenizer: A tokenizer of that package. It is set to truncate and not to pad.
        max_length: Largest number of tokens per text; longer texts are truncated.
        side: The side that is cut off: ``"right"`` or ``"left"``.
        prompt: Text to put before every text.
        segments: Whether the model sees which text of a pair a token belongs to.
    """

    def __init__(
        self, tokenizer: Any, *, max_length: int, side: str = "right", prompt: str = "", segments: bool = False
    ) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length, direction=side)
        self.tokenizer, self.segments = tokenizer, segments
        self._longest, self._prompt = longest_read(max_length), prompt

    @classmethod
    def load(cls, file: Path, **settings: Any) -> "TokenReader":
        """Read a ``tokenizer.json``, which knows the side; the other arguments are those of the class."""
        from tokenizers import Tokenizer

        tokenizer: Any = Tokenizer.from_file(str(file))
        return cls(tokenizer, side=(tokenizer.truncation or {}).get("direction", "right"), **settings)

    def __call__(self, inputs: Sequence[Any]) -> list[Tokens]:
        """Tokenise texts, or pairs of texts."""
        pairs = bool(inputs) and not isinstance(inputs[0], str)
        first = [self._prompt + clip(item[0] if pairs else item, self._longest) for item in inputs]
        listed = list(zip(first, (clip(item[1], self._longest) for item in inputs), strict=True)) if pairs else first
        encoded = self.tokenizer.encode_batch_fast(listed)  # without offsets
        return [
            Tokens(
                np.asarray(one.ids, dtype=np.int32),
                np.asarray(one.type_ids, dtype=np.int32) if self.segments else None,
                bool(one.overflowing) or max(map(len, item if pairs else (item,))) > self._longest,
            )
            for one, item in zip(encoded, inputs, strict=True)
        ]
