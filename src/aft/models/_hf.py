"""Models of transformers': encoders, decoders, the encoder of T5 and its kin, and vision transformers."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aft.errors import ModelError, UsageError
from aft.models._backbone import Backbone, Batch, Recipe, load_weights
from aft.models._capture import attach
from aft.models._image import ImagePreprocessing
from aft.models._layers import cut_layers, set_depth
from aft.models._spec import ModelSpec
from aft.models._text import TextBackbone, check_pooling, pool_tokens, require_transformers, train_tokenizer

PRETRAINED = Recipe(lr=1e-4, epochs=10)
SCRATCH = Recipe(lr=5e-4, epochs=30)
#: Positions beyond this cost more than texts of a labelled task gain.
LONGEST = 512


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
        output = self.model(**inputs, **({"use_cache": False} if _is_decoder(self.model.config) else {}))
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
            _make(transformers, architecture),
            transformers.AutoTokenizer.from_pretrained(assets, trust_remote_code=False),
            pooling=config["pooling"],
            max_length=config["max_length"],
            prompt=config["prompt"],
            layer=config["layer"],
            recipe=SCRATCH,
            rows=torch.zeros(config["rows"], dtype=torch.long) if config.get("rows") else None,
        )


class HFImage(Backbone):
    """A vision model of transformers': its class token, or the mean of its last map."""

    accepts = ("image",)

    def __init__(
        self, model: nn.Module, images: ImagePreprocessing, *, pooling: str, layer: str | None, recipe: Recipe
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.images = images
        self.pooling = pooling
        self.layer = layer
        self.recipe = recipe
        self._captured = attach(model, layer, "mean" if pooling == "mean" else "cls")[0] if layer else None
        with torch.no_grad():
            self.dim = self.eval()({"image": torch.zeros(1, *images.shape)}).shape[1]

    def encode(self, inputs: Any) -> list[Tensor]:
        """Resize, crop and normalise."""
        return [self.images(image) for image in inputs]

    def collate(self, encoded: Any) -> Batch:
        """``image``: ``(B, 3, H, W)``."""
        return {"image": torch.stack(list(encoded))}

    def forward(self, batch: Batch) -> Tensor:
        """``(B, d)``."""
        states = self.model(pixel_values=batch["image"]).last_hidden_state
        if self._captured is not None:
            return self._captured.features
        dims = (2, 3) if states.ndim == 4 else 1
        features: Tensor = states[:, 0] if states.ndim == 3 and self.pooling == "cls" else states.mean(dim=dims)
        return features

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """Size, crop and normalisation."""
        return self.images.describe()

    @property
    def network(self) -> nn.Module:
        """The transformer."""
        network: nn.Module = self.model
        return network

    def reading(self, layer: str | None, pooling: str | None, example: Any) -> Backbone:
        """The same transformer, read at another layer."""
        return HFImage(self.model, self.images, pooling=pooling or "cls", layer=layer, recipe=self.recipe)

    def config(self) -> dict[str, Any]:
        """Pooling and preprocessing; the architecture is an asset."""
        return {"class": "hf-image", "pooling": self.pooling, "layer": self.layer, "images": self.images.describe()}

    def save_assets(self, folder: Path) -> None:
        """Write the architecture as transformers does."""
        self.model.config.save_pretrained(folder)

    @classmethod
    def restore(cls, config: dict[str, Any], assets: Path) -> "HFImage":
        """Make it again, with random weights."""
        transformers = require_transformers()
        architecture = transformers.AutoConfig.from_pretrained(assets, trust_remote_code=False)
        images = ImagePreprocessing(**config["images"])
        return cls(
            _make(transformers, architecture), images, pooling=config["pooling"], layer=config["layer"], recipe=SCRATCH
        )


def load_hf(spec: ModelSpec, texts: Iterable[str] | None) -> Backbone:
    """Load ``hf:NAME`` or ``hf:FOLDER``.

    Args:
        spec: The name; options ``weights``, ``layer``, ``pooling``, ``prompt``, ``max_length``, ``keep_layers``, ``vocabulary``.
        texts: Training texts, from which a text model with random weights learns its vocabulary.

    Returns:
        The backbone.
    """
    transformers = require_transformers()
    options = spec.options
    weights = options.get("weights", "pretrained")
    try:
        architecture = transformers.AutoConfig.from_pretrained(spec.name, trust_remote_code=False)
    except Exception as error:  # the hub's client and transformers raise many kinds
        raise _not_found(spec, error) from error
    architecture = getattr(architecture, "text_config", None) or architecture
    keep = options.get("keep_layers")
    random = weights == "random"
    if random and keep:
        set_depth(architecture, keep)
    vision = hasattr(architecture, "image_size") or hasattr(architecture, "patch_size")
    if vision:
        if options.get("pooling", "cls") not in ("cls", "mean"):
            raise UsageError(
                f"a vision transformer's pooling is cls or mean; received {options['pooling']!r}; choose one"
            )
        model = _build(transformers, spec, architecture, random)
        images = _image_preprocessing(transformers, spec, architecture)
        backbone: Backbone = HFImage(
            _finish(model, keep if not random else None, weights), images, pooling=options.get("pooling", "cls"),
            layer=options.get("layer"), recipe=SCRATCH if random else PRETRAINED,
        )  # fmt: skip
        return backbone
    if random:
        tokenizer = train_tokenizer(texts or (), options.get("vocabulary", 8000))
        architecture.vocab_size = len(tokenizer)
        architecture.pad_token_id = tokenizer.pad_token_id
        for name in ("bos_token_id", "eos_token_id"):
            setattr(architecture, name, tokenizer.sep_token_id)
        model = _make(transformers, architecture)
    else:
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(spec.name, trust_remote_code=False)
        except Exception as error:
            raise _not_found(spec, error) from error
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        model = _build(transformers, spec, architecture, random=False)
    model = _finish(model, keep if not random else None, weights)
    rows = None
    if "vocabulary" in options and not random:
        rows = prune_vocabulary(model, tokenizer, texts or (), options["vocabulary"])
    return HFText(
        model,
        tokenizer,
        pooling=options.get("pooling") or _usual_pooling(spec, architecture),
        max_length=_text_length(spec, architecture, tokenizer),
        prompt=options.get("prompt", ""),
        layer=options.get("layer"),
        recipe=SCRATCH if random else PRETRAINED,
        usual_pooling=_usual_pooling(spec, architecture),
        rows=rows,
    )


def make_transformer(spec: ModelSpec, texts: Iterable[str] | None) -> HFText:
    """Make ``aft:transformer``: a small encoder with random weights and its own vocabulary.

    Args:
        spec: Options ``width`` (128), ``layers`` (2), ``heads`` (width / 64, at least 2), ``vocabulary`` (8000),
            ``max_length`` (128), ``dropout`` (0.1), ``pooling`` (mean).
        texts: Training texts.

    Returns:
        The backbone.
    """
    transformers = require_transformers()
    options = spec.options
    tokenizer = train_tokenizer(texts or (), options.get("vocabulary", 8000))
    width, length = options.get("width", 128), options.get("max_length", 128)
    dropout = options.get("dropout", 0.1)
    heads = options.get("heads", max(2, width // 64))
    if width % heads:
        raise UsageError(
            f"a transformer's width is a multiple of its heads; received width={width} and heads={heads}; change one"
        )
    architecture = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=options.get("layers", 2), num_attention_heads=heads,
        intermediate_size=4 * width, max_position_embeddings=length, pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    return HFText(
        _make(transformers, architecture), tokenizer, pooling=options.get("pooling", "mean"), max_length=length,
        prompt=options.get("prompt", ""), layer=options.get("layer"), recipe=SCRATCH,
    )  # fmt: skip


def prune_vocabulary(model: Any, tokenizer: Any, texts: Iterable[str], most: int) -> Tensor:
    """Cut a model's token table to the tokens of the training texts: what a small model mostly consists of is words.

    Args:
        model: The model; its table is replaced.
        tokenizer: Its tokenizer, which is kept whole: words that were cut become the unknown token.
        texts: Training texts.
        most: How many tokens to keep at most, the most frequent ones.

    Returns:
        For each of the tokenizer's ids its row in the new table, ``(vocabulary,)``.

    Raises:
        UsageError: No texts.
    """
    listed = list(texts)
    if not listed:
        raise UsageError(
            "a vocabulary is cut to the tokens of the training texts; received none; leave out the option vocabulary"
        )
    counts = Counter(token for ids in tokenizer(listed, truncation=True)["input_ids"] for token in ids)
    special = set(tokenizer.all_special_ids)
    frequent = [
        token for token, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if token not in special
    ]
    kept = sorted({*special, *frequent[: max(0, most - len(special))]})
    table = model.get_input_embeddings()
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
    rows = torch.full((table.num_embeddings,), kept.index(unknown), dtype=torch.long)
    rows[torch.tensor(kept)] = torch.arange(len(kept))
    smaller = nn.Embedding(len(kept), table.embedding_dim, padding_idx=int(rows[tokenizer.pad_token_id]))
    with torch.no_grad():
        smaller.weight.copy_(table.weight[torch.tensor(kept)])
    model.set_input_embeddings(smaller)
    model.config.vocab_size = len(kept)
    model.config.pad_token_id = int(rows[tokenizer.pad_token_id])
    return rows


def _hidden_size(config: Any) -> int:
    return int(getattr(config, "hidden_size", None) or getattr(config, "d_model", None) or config.n_embd)


def _is_decoder(config: Any) -> bool:
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


def _usual_pooling(spec: ModelSpec, config: Any) -> str:
    file = Path(spec.name) / "1_Pooling" / "config.json"
    if file.is_file():
        stored = json.loads(file.read_text(encoding="utf-8"))
        modes = {"cls_token": "cls", "lasttoken": "last", "max_tokens": "max", "mean_tokens": "mean"}
        for mode, pooling in modes.items():
            if stored.get(f"pooling_mode_{mode}") is True:
                return pooling
    return "last" if _is_decoder(config) else "mean"


def _text_length(spec: ModelSpec, config: Any, tokenizer: Any) -> int:
    """Tokens a text: what is asked, if the model has so many positions; else what is usual."""
    limits = [LONGEST, int(tokenizer.model_max_length)]
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if positions:
        # RoBERTa and MPNet count positions from beyond the padding token.
        limits.append(
            int(positions) - (2 if config.model_type in {"roberta", "mpnet", "xlm-roberta", "camembert"} else 0)
        )
    asked = spec.options.get("max_length")
    if asked is not None:
        if asked < 1 or (positions and asked > limits[-1]):
            raise UsageError(
                f"max_length is between 1 and the model's {limits[-1]} positions; received {asked}; lower it"
            )
        return int(asked)
    file = Path(spec.name) / "sentence_bert_config.json"
    if file.is_file():
        limits.append(int(json.loads(file.read_text(encoding="utf-8")).get("max_seq_length") or LONGEST))
    return max(1, min(limits))


def _make(transformers: Any, config: Any) -> nn.Module:
    """A model without head, random weights."""
    if getattr(config, "is_encoder_decoder", False):
        return _encoder_of(transformers.AutoModel.from_config(config))
    model: nn.Module = transformers.AutoModel.from_config(config)
    return _without_pooler(model)


def _build(transformers: Any, spec: ModelSpec, config: Any, random: bool) -> nn.Module:
    if random:
        return _make(transformers, config)
    try:
        model = transformers.AutoModel.from_pretrained(
            spec.name, config=config, trust_remote_code=False, dtype=torch.float32
        )
    except Exception as error:
        raise _not_found(spec, error) from error
    return _encoder_of(model) if getattr(config, "is_encoder_decoder", False) else _without_pooler(model)


def _encoder_of(model: Any) -> nn.Module:
    encoder: nn.Module = model.get_encoder()
    return encoder


def _without_pooler(model: Any) -> nn.Module:
    # A pooling layer that nothing reads would be untrained weight in every run.
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.pooler = None
    network: nn.Module = model
    return network


def _finish(model: nn.Module, keep_layers: int | None, weights: str) -> nn.Module:
    if keep_layers is not None:
        cut_layers(model, keep_layers)
    if weights not in ("pretrained", "random"):
        load_weights(model, weights)
    return model


def _image_preprocessing(transformers: Any, spec: ModelSpec, config: Any) -> ImagePreprocessing:
    size = spec.options.get("image_size") or getattr(config, "image_size", 224)
    size = size[0] if isinstance(size, list | tuple) else size or 224
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(spec.name, trust_remote_code=False)
        mean, std = tuple(processor.image_mean), tuple(processor.image_std)
        crop = getattr(processor, "crop_size", None) or getattr(processor, "size", None)
        if "image_size" not in spec.options and crop and crop.get("height"):
            size = crop["height"]
    except (OSError, ValueError, ImportError):
        pass  # a folder with weights alone: ImageNet's numbers are what such models are trained with
    return ImagePreprocessing(size=int(size), mean=mean, std=std)


def _not_found(spec: ModelSpec, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:160]
    return ModelError(
        f"{spec.kind}: names a model on the hub or a local folder; {spec.name!r} could not be loaded ({reason}); "
        f"without network, download it elsewhere and point to its folder: {spec.kind}:/path/to/folder"
    )
