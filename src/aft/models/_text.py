"""What all text models share: tokenisation, padding and pooling."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aft.data import TEXT, TEXT_PAIR
from aft.errors import MissingExtraError, UsageError, did_you_mean
from aft.models._backbone import Backbone, Batch
from aft.preprocessing import LONGEST_TEXT, TokenReader, Tokens, clip, pad_tokens

POOLINGS = ("mean", "cls", "last", "max")


#: The fewest texts in a part of a batch, and the share of tokens up to which dividing a batch is worth it.
PART, WORTH_IT = 16, 0.85


class TextBackbone(Backbone):
    """A text model: this class tokenises and pads, and subclasses compute the features.

    Args:
        tokenizer: A fast tokenizer of transformers.
        max_length: Largest number of tokens per text; longer texts are truncated.
        prompt: Text to put before every text.
    """

    accepts = (TEXT, TEXT_PAIR)

    def __init__(self, tokenizer: Any, max_length: int, prompt: str = "") -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.prompt = prompt
        self._reader: TokenReader | None = None
        # Now, as transformers changes the settings of its tokenizers with every call.
        self._digest = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        self._pad = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)

    def encode_own(self, inputs: Sequence[Any]) -> list[Tokens]:
        """Tokenise texts or pairs of texts, and truncate them to the limit."""
        return self._tokens(inputs)

    @property
    def _tokens(self) -> TokenReader:
        if self._reader is None:
            from tokenizers import Tokenizer

            self._reader = TokenReader(
                Tokenizer.from_str(self.tokenizer.backend_tokenizer.to_str()), max_length=self.max_length,
                side=self.tokenizer.truncation_side, prompt=self.prompt,
                segments="token_type_ids" in self.tokenizer.model_input_names,
            )  # fmt: skip
        return self._reader

    def __getstate__(self) -> dict[str, Any]:
        """Without the copy of the tokenizer, which is made again."""
        return {**self.__dict__, "_reader": None}

    def collate(self, encoded: Sequence[Tokens]) -> Batch:
        """Pad on the right.

        Returns:
            ``input_ids`` and ``attention_mask``, both ``(B, T)``; also ``token_type_ids`` if the tokenizer
            has segments.
        """
        return {name: torch.from_numpy(array) for name, array in pad_tokens(encoded, self._pad).items()}

    def parts(self, mask: Tensor) -> list[tuple[Tensor, int]]:
        """The rows of texts of a batch that are computed together, and the length of the longest of them.

        In training on a CPU these are texts of similar length, as padding costs as much as text.

        Args:
            mask: 1 for tokens and 0 for padding, ``(B, T)``.

        Returns:
            Nothing where the whole batch is computed together.
        """
        # Elsewhere most batches hold texts of similar length already, and teachers may share one run of the network.
        parts = parts_by_length(mask.sum(dim=1)) if self.training and mask.device.type == "cpu" else []
        return parts if len(parts) > 1 else []

    def length(self, encoded: Tokens) -> int:
        """Number of tokens."""
        return len(encoded.ids)

    def truncated(self, encoded: Tokens) -> bool:
        """Whether the text was longer than the limit."""
        return encoded.truncated

    def limit(self) -> str:
        """The limit, for messages."""
        return f"{self.max_length} tokens"

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """The limit, the prompt, and a digest of the tokenizer."""
        return {
            "max_length": self.max_length,
            "prompt": self.prompt,
            "tokenizer": self._digest,
        }

    def encodings(self) -> list[dict[str, Any]]:
        """Limit, prompt and padding; the tokenizer is a file."""
        return [
            {
                "kind": "tokens", "reads": self.reads, "folder": ".", "max_length": self.max_length, "prompt": self.prompt,
                "pad": self._pad, "segments": self._tokens.segments, "length": None,
            }
        ]  # fmt: skip

    def save_encodings(self, directory: Path) -> None:
        """Write the tokenizer as the package tokenizers does."""
        self._tokens.tokenizer.save(str(directory / "tokenizer.json"))

    def save_assets(self, directory: Path) -> None:
        """Write the tokenizer."""
        try:
            self.tokenizer.save_pretrained(directory)
        except Exception as error:  # tokenizers raises the operating system's errors as plain exceptions
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(directory)) from error


def parts_by_length(lengths: Tensor) -> list[tuple[Tensor, int]]:
    """Divide the texts of a batch into parts of similar length, of at least `PART` texts each.

    Args:
        lengths: Number of tokens of each text, ``(B,)``.

    Returns:
        For each part the rows of its texts and the length of the longest; a single part where more would save little.
    """
    order = torch.argsort(lengths, descending=True, stable=True)
    parts = [(rows, int(lengths[rows[0]])) for rows in torch.tensor_split(order, max(1, len(order) // PART))]
    padded = sum(len(rows) * longest for rows, longest in parts)
    return parts if padded < WORTH_IT * len(lengths) * int(lengths.max()) else [(order, int(lengths.max()))]


def in_order(features: Sequence[Tensor], parts: Sequence[tuple[Tensor, int]]) -> Tensor:
    """The features ``(B, d)`` of a batch from those of its parts."""
    return torch.cat(list(features))[torch.argsort(torch.cat([rows for rows, _ in parts]))]


def pool_tokens(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Reduce the token states of each text to one vector.

    Args:
        states: ``(B, T, d)``.
        mask: ``(B, T)``, 1 for tokens and 0 for padding.
        pooling: ``"mean"``, ``"cls"`` (first token), ``"last"`` (last token that is not padding) or
            ``"max"``.

    Returns:
        ``(B, d)``.
    """
    if pooling == "cls":
        return states[:, 0]
    if pooling == "last":
        return states[torch.arange(len(states), device=states.device), mask.sum(dim=1).clamp(min=1) - 1]
    weights = mask.unsqueeze(-1).to(states.dtype)
    if pooling == "max":
        return states.masked_fill(weights == 0, torch.finfo(states.dtype).min).amax(dim=1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def check_pooling(pooling: str) -> str:
    """Return the name of a pooling, or raise UsageError if it is unknown."""
    if pooling not in POOLINGS:
        raise UsageError(f"unknown pooling {pooling!r}{did_you_mean(pooling, POOLINGS)}")
    return pooling


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Learn a lower-case vocabulary from texts by byte-pair encoding.

    Args:
        texts: The training texts.
        vocabulary: Largest number of tokens, at least 100.

    Returns:
        A fast tokenizer with the special tokens ``[PAD]``, ``[UNK]``, ``[CLS]`` and ``[SEP]``.

    Raises:
        UsageError: There are no texts, or the vocabulary is smaller than 100.
    """
    transformers = require_transformers()
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    if vocabulary < 100:
        raise UsageError(f"a vocabulary needs at least 100 tokens; received {vocabulary}; 8000 is typical")
    # Not WordPiece: its trainer numbers the tokens differently each time, so that equal seeds would give
    # different students.
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106 - a token, not a password
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, min_frequency=2, show_progress=False)
    listed = [clip(text, LONGEST_TEXT) for text in texts]
    if not listed:
        raise UsageError(
            "a vocabulary is learned from training texts; received none; pass a dataset of texts, or "
            "weights='pretrained'"
        )
    tokenizer.train_from_iterator(listed, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",  # noqa: S106 - a token, not a password
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def require_transformers() -> Any:
    """Import transformers and silence it.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "text models need transformers, which is not installed; run pip install 'adaptive-feature-transfer[text]'"
        ) from error
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers
