"""Text models of transformers': encoders, decoders, the encoder of T5 and its kin."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import ModelError
from aft.models._backbone import Backbone, Batch, Recipe
from aft.models._capture import attach
from aft.models._hf_parts import SCRATCH, make_model
from aft.models._text import TextBackbone, check_pooling, pool_tokens, require_transformers


class HFText(TextBackbone):
    """A text model: its token states, pooled.

    Args:
        model: The transformer, without a head.
        tokenizer: Its tokenizer.
        pooling: ``mean``, ``cls``, ``last`` or ``max``.
        max_length: Tokens a text.
        prompt: Put before every text.
        layer: Path of a layer whose token states to take instead of the last.
        recipe: Settings to train it with.
        usual_pooling: The pooling that the model was trained with.
        rows: For each of the tokenizer's ids its row of the token table, where that was pruned; ``(vocabulary,)``.
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
        usual_pooling: str = "mean",
        rows: Tensor | None = None,
    ) -> None:
        super().__init__(tokenizer, max_length, prompt)
        self.register_buffer("rows", rows)
        self.usual_pooling = usual_pooling
        self.model: Any = model
        self.pooling = check_pooling(pooling)
        self.layer = layer
        self.recipe = recipe
        self._captured = attach(model, layer)[0] if layer else None
        self._asks_types = "token_type_ids" in (tokenizer.model_input_names or ())
        self.dim = int(_hidden_size(model.config))
        if layer:
            with torch.no_grad():
                self.dim = self.eval()(self.collate(self.encode(["a"]))).shape[1]

    def forward(self, batch: Batch) -> Tensor:
        """``(B, d)``."""
        inputs = dict(batch)
        if self.rows is not None:
            inputs["input_ids"] = self.rows[inputs["input_ids"]]
        if not self._asks_types:
            inputs.pop("token_type_ids", None)
        output = self.model(**inputs, **({"use_cache": False} if is_decoder(self.model.config) else {}))
        states = output.last_hidden_state
        if self._captured is not None:
            if self._captured.raw is None or self._captured.raw.ndim != 3:
                raise ModelError(
                    f"a layer of a text model gives token states (B, T, d); {self.layer!r} does not; choose a block"
                )
            states = self._captured.raw
        return pool_tokens(states, batch["attention_mask"], self.pooling)

    @property
    def network(self) -> nn.Module:
        """The transformer."""
        network: nn.Module = self.model
        return network

    def reading(self, layer: str | None, pooling: str | None, example: Any) -> Backbone:
        """The same transformer, read at another layer."""
        return HFText(
            self.model, self.tokenizer, pooling=pooling or self.usual_pooling, max_length=self.max_length, prompt=self.prompt,
            layer=layer, recipe=self.recipe, usual_pooling=self.usual_pooling, rows=self.rows,
        )  # fmt: skip

    def config(self) -> dict[str, Any]:
        """Pooling and limits; the architecture is an asset."""
        return {
            "class": "hf-text",
            "pooling": self.pooling,
            "max_length": self.max_length,
            "prompt": self.prompt,
            "layer": self.layer,
            "rows": None if self.rows is None else len(self.rows),
        }

    def save_assets(self, folder: Path) -> None:
        """Write tokenizer and architecture as transformers does."""
        super().save_assets(folder)
        self.model.config.save_pretrained(folder)

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "HFText":
        """Make it again, with random weights."""
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
    """Whether an architecture of transformers' reads from left to right, so that its last token has seen the text."""
    names = getattr(config, "architectures", None) or []
    causal = any("CausalLM" in name or "LMHeadModel" in name for name in names)
    return causal or config.model_type in {
        "gpt2",
        "gpt_neo",
        "gpt_neox",
        "llama",
        "mistral",
        "opt",
        "phi",
        "qwen2",
        "qwen3",
        "gemma",
    }
