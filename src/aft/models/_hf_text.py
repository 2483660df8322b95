"""Text models of Hugging Face transformers: encoders, decoders, and the encoders of models such as T5."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import ModelError
from aft.models._backbone import Backbone, Batch, Recipe
from aft.models._capture import attach
from aft.models._hf_common import SCRATCH, HFBackbone, make_model
from aft.models._text import TextBackbone, check_pooling, in_order, pool_tokens, require_transformers


class HFText(HFBackbone, TextBackbone):
    """A transformer whose pooled token states are the features.

    Args:
        model: The transformer, without a head.
        tokenizer: Its tokenizer.
        pooling: ``"mean"``, ``"cls"``, ``"last"`` or ``"max"``.
        max_length: Largest number of tokens per text; longer texts are truncated.
        prompt: Text to put before every text.
        layer: Path of the layer whose token states to use; by default the last.
        recipe: Default training settings.
        default_pooling: The pooling that the model was trained with.
        rows: Row of the token table for each token id of the tokenizer, ``(vocabulary,)``; None if they are
            the same.
    """

    rows: Tensor | None

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        *,
        pooling: str,
        max_length: int,
        prompt: str,
        layer: str | None,
        recipe: Recipe,
        default_pooling: str = "mean",
        rows: Tensor | None = None,
    ) -> None:
        super().__init__(tokenizer, max_length, prompt)
        self.register_buffer("rows", rows)
        self.default_pooling = default_pooling
        self.model = model
        self.pooling = check_pooling(pooling)
        self.layer = layer
        self.recipe = recipe
        self._captured = attach(model, layer)[0] if layer else None
        self._takes_token_types = "token_type_ids" in (tokenizer.model_input_names or ())
        self.dim = int(_hidden_size(model.config))
        if layer:
            with torch.no_grad():
                self.dim = self.eval()(self.collate(self.encode(["a"]))).shape[1]

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        parts = self.parts(batch["attention_mask"])
        if not parts:
            return self._features(batch)
        features = [
            self._features({name: values[rows, :longest] for name, values in batch.items()}) for rows, longest in parts
        ]
        return in_order(features, parts)

    def _features(self, batch: Batch) -> Tensor:
        inputs = dict(batch)
        if self.rows is not None:
            inputs["input_ids"] = self.rows[inputs["input_ids"]]
        if not self._takes_token_types:
            inputs.pop("token_type_ids", None)
        output = self.model(**inputs, **({"use_cache": False} if is_decoder(self.model.config) else {}))
        states = output.last_hidden_state
        if self._captured is not None:
            if self._captured.raw is None or self._captured.raw.ndim != 3:
                raise ModelError(
                    f"a layer of a text model must produce token states (B, T, d); {self.layer!r} does not; choose "
                    "a block"
                )
            states = self._captured.raw
        return pool_tokens(states, batch["attention_mask"], self.pooling)

    def at_layer(self, layer: str | None, pooling: str | None, example: Any) -> Backbone:
        """A backbone over the same transformer at another layer."""
        return HFText(
            self.model, self.tokenizer, pooling=pooling or self.default_pooling, max_length=self.max_length,
            prompt=self.prompt, layer=layer, recipe=self.recipe, default_pooling=self.default_pooling, rows=self.rows,
        )  # fmt: skip

    def config(self) -> dict[str, Any]:
        """Pooling and limits; the tokenizer and the architecture are assets."""
        return {
            "class": "hf-text",
            "pooling": self.pooling,
            "max_length": self.max_length,
            "prompt": self.prompt,
            "layer": self.layer,
            "rows": None if self.rows is None else len(self.rows),
        }

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "HFText":
        """Recreate the model with random weights."""
        transformers = require_transformers()
        architecture = transformers.AutoConfig.from_pretrained(assets, trust_remote_code=False)
        return cls(
            make_model(transformers, architecture),
            transformers.AutoTokenizer.from_pretrained(assets, trust_remote_code=False),
            pooling=config["pooling"],
            max_length=config["max_length"],
            prompt=config["prompt"],
            layer=config["layer"],
            recipe=SCRATCH,
            rows=torch.zeros(config["rows"], dtype=torch.long) if config.get("rows") else None,
        )


def _hidden_size(config: Any) -> int:
    return int(getattr(config, "hidden_size", None) or getattr(config, "d_model", None) or config.n_embd)


def is_decoder(config: Any) -> bool:
    """Whether an architecture is a decoder, in which only the last token sees the whole text."""
    from transformers.models.auto import modeling_auto

    names = getattr(config, "architectures", None) or []
    if any("CausalLM" in name or "LMHeadModel" in name for name in names):
        return True
    # Encoders such as BERT can be built as decoders, too: they are in both lists.
    causal, masked = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    both_sides = getattr(config, "is_encoder_decoder", False)
    return config.model_type in causal and config.model_type not in masked and not both_sides
