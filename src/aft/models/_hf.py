"""Models of Hugging Face transformers by name."""

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aft.core import first_sentence, missing_extra
from aft.data import Modality
from aft.errors import ModelError, UsageError
from aft.models._backbone import Backbone, Role, load_weights
from aft.models._hf_common import PRETRAINED, SCRATCH, encoder_of, make_model, without_pooler
from aft.models._hf_image import HFImage, image_preprocessing
from aft.models._hf_text import HFText, is_decoder
from aft.models._hf_towers import HFImageTower, HFTextTower, has_towers, keep_tower
from aft.models._layers import keep_first_layers, set_depth, set_dropout
from aft.models._spec import ModelSpec
from aft.models._text import require_transformers, train_tokenizer
from aft.models._towers import Towers, tower_to_read
from aft.models._vocabulary import prune_vocabulary

#: Default limit for texts in tokens: few labelled tasks gain from more.
DEFAULT_LENGTH = 512


def load_hf(
    spec: ModelSpec, texts: Iterable[str] | None, modality: Modality | None = None, role: Role = "teacher"
) -> Backbone:
    """Load ``hf:NAME``, ``hf:FOLDER``, or a GGUF file of one of them, ``hf:FOLDER/FILE.gguf``.

    Args:
        spec: The name with its options ``weights``, ``layer``, ``pooling``, ``prompt``, ``max_length``,
            ``keep_layers``, ``image_size``, ``vocabulary`` and ``dropout`` (0 for pretrained weights), and ``reads`` for a model
            that embeds images and texts.
        texts: Training texts. A text model with random weights learns its vocabulary from them, and a
            pretrained one with the option ``vocabulary`` is pruned to them.
        modality: That of the inputs, if it is known: it chooses between embeddings of images and of texts.
        role: ``"teacher"`` or ``"student"``.

    Returns:
        The backbone.

    Raises:
        ModelError: The model cannot be loaded.
        UsageError: An option does not fit the model.
    """
    transformers = require_transformers()
    _require_gguf(spec)
    options = spec.options
    weights = options.get("weights", "pretrained")
    try:
        architecture = _from_pretrained(transformers.AutoConfig, spec)
    except Exception as error:  # the hub's client and transformers raise many types of exceptions
        raise not_found(spec, error) from error
    if has_towers(architecture):
        return _load_towers(transformers, spec, architecture, modality, role)
    if "reads" in options:
        raise UsageError(
            f"reads= chooses between the image and the text of a model that embeds both; received it for {spec.name!r}, which does "
            "not; leave it out"
        )
    architecture = getattr(architecture, "text_config", None) or architecture
    keep = options.get("keep_layers")
    random = weights == "random"
    if random and keep:
        set_depth(architecture, keep)
    if not random or "dropout" in options:
        set_dropout(architecture, options.get("dropout", 0.0))
    vision = hasattr(architecture, "image_size") or hasattr(architecture, "patch_size")
    if vision:
        if options.get("pooling", "cls") not in ("cls", "mean"):
            raise UsageError(
                f"the pooling of a vision transformer is cls or mean; received {options['pooling']!r}; choose one "
                "of them"
            )
        model = _build(transformers, spec, architecture, random)
        images = image_preprocessing(transformers, spec, architecture)
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
        model = make_model(transformers, architecture)
    else:
        try:
            tokenizer = _from_pretrained(transformers.AutoTokenizer, spec)
        except Exception as error:
            raise not_found(spec, error) from error
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
        pooling=options.get("pooling") or _default_pooling(spec, architecture),
        max_length=_text_length(spec, architecture, tokenizer),
        prompt=options.get("prompt", ""),
        layer=options.get("layer"),
        recipe=SCRATCH if random else PRETRAINED,
        default_pooling=_default_pooling(spec, architecture),
        rows=rows,
    )


#: Options that make no sense for the embedding of an image or a text.
NO_TOWER_OPTIONS = ("layer", "pooling", "keep_layers", "vocabulary")


def _load_towers(
    transformers: Any, spec: ModelSpec, architecture: Any, modality: Modality | None, role: Role
) -> Backbone:
    """A model that embeds images and texts: the part that is read, or for a teacher of images with texts both."""
    options = spec.options
    for name in NO_TOWER_OPTIONS:
        if name in options:
            raise UsageError(
                f"a model that embeds images and texts gives its embedding; received the option {name}={options[name]}; leave it out"
            )
    reads = tower_to_read(spec, modality, role)
    if architecture.model_type == "siglip2":
        raise ModelError(
            f"images of one size are embedded; {spec.name!r} takes images of any shape (NaFlex); choose the same model for one size, such "
            "as google/siglip2-base-patch16-224"
        )
    random = options.get("weights", "pretrained") == "random"
    for part in (architecture.text_config, architecture.vision_config):
        set_dropout(part, options.get("dropout", 0.0))
    model = _finish(_build(transformers, spec, architecture, random), None, options.get("weights", "pretrained"))
    recipe = SCRATCH if random else PRETRAINED
    towers: list[Any] = []
    if reads != "text":
        vision = architecture.vision_config
        towers.append(HFImageTower(model, image_preprocessing(transformers, spec, vision), recipe))
    if reads != "image":
        try:
            tokenizer = _from_pretrained(transformers.AutoTokenizer, spec)
        except Exception as error:
            raise not_found(spec, error) from error
        length = _text_length(spec, architecture.text_config, tokenizer)
        towers.append(HFTextTower(model, tokenizer, max_length=length, prompt=options.get("prompt", ""), recipe=recipe))
    if len(towers) > 1:
        return Towers(*towers)
    keep_tower(model, reads or "")
    tower: Backbone = towers[0]
    return tower


def make_transformer(spec: ModelSpec, texts: Iterable[str] | None) -> HFText:
    """Create ``aft:transformer``: a small encoder with random weights and a vocabulary of its own.

    Args:
        spec: The name with its options: ``width`` (128), ``layers`` (2), ``heads`` (width / 64, at least 2),
            ``vocabulary`` (8000), ``max_length`` (128), ``dropout`` (0.1), ``prompt``, ``pooling`` (mean) and
            ``layer``.
        texts: Training texts, to learn the vocabulary from.

    Returns:
        The backbone.

    Raises:
        UsageError: There are no training texts, or the width is not a multiple of the number of heads.
    """
    transformers = require_transformers()
    options = spec.options
    tokenizer = train_tokenizer(texts or (), options.get("vocabulary", 8000))
    width, length = options.get("width", 128), options.get("max_length", 128)
    dropout = options.get("dropout", 0.1)
    heads = options.get("heads", max(2, width // 64))
    if width % heads:
        raise UsageError(
            f"a transformer's width must be a multiple of its heads; received width={width} and heads={heads}; "
            "change one"
        )
    architecture = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=options.get("layers", 2),
        num_attention_heads=heads, intermediate_size=4 * width, max_position_embeddings=length,
        pad_token_id=tokenizer.pad_token_id, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    return HFText(
        make_model(transformers, architecture), tokenizer, pooling=options.get("pooling", "mean"), max_length=length,
        prompt=options.get("prompt", ""), layer=options.get("layer"), recipe=SCRATCH,
    )  # fmt: skip


def _default_pooling(spec: ModelSpec, config: Any) -> str:
    """The pooling that a sentence-transformers folder names; else "last" for decoders, else "mean"."""
    file = Path(spec.name) / "1_Pooling" / "config.json"
    if file.is_file():
        stored = json.loads(file.read_text(encoding="utf-8"))
        modes = {"cls_token": "cls", "lasttoken": "last", "max_tokens": "max", "mean_tokens": "mean"}
        for mode, pooling in modes.items():
            if stored.get(f"pooling_mode_{mode}") is True:
                return pooling
    return "last" if is_decoder(config) else "mean"


def _text_length(spec: ModelSpec, config: Any, tokenizer: Any) -> int:
    """Limit for texts in tokens: the option ``max_length``, else the default of the model."""
    limits = [DEFAULT_LENGTH, int(tokenizer.model_max_length)]
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if positions:
        # RoBERTa and MPNet number positions from the padding token's id + 1, so that two are never used.
        limits.append(
            int(positions) - (2 if config.model_type in {"roberta", "mpnet", "xlm-roberta", "camembert"} else 0)
        )
    requested = spec.options.get("max_length")
    if requested is not None:
        if requested < 1 or (positions and requested > limits[-1]):
            raise UsageError(
                f"max_length is between 1 and the model's {limits[-1]} positions; received {requested}; change it"
            )
        return int(requested)
    file = Path(spec.name) / "sentence_bert_config.json"
    if file.is_file():
        limits.append(int(json.loads(file.read_text(encoding="utf-8")).get("max_seq_length") or DEFAULT_LENGTH))
    return max(1, min(limits))


def _from_pretrained(loader: Any, spec: ModelSpec, **options: Any) -> Any:
    """What one of the Auto classes of transformers makes of a name, a folder, or a GGUF file in one of them."""
    source, slash, file = spec.name.rpartition("/")
    if file.lower().endswith(".gguf"):
        return loader.from_pretrained(source or slash or ".", gguf_file=file, trust_remote_code=False, **options)
    return loader.from_pretrained(spec.name, trust_remote_code=False, **options)


def _require_gguf(spec: ModelSpec) -> None:
    """Raise an error if a GGUF file is named and cannot be read here."""
    if not spec.name.lower().endswith(".gguf"):
        return
    for package in ("gguf", "accelerate"):
        if importlib.util.find_spec(package) is None:
            raise missing_extra(ModuleNotFoundError(name=package), "a GGUF file")


def _build(transformers: Any, spec: ModelSpec, config: Any, random: bool) -> nn.Module:
    if random:
        return make_model(transformers, config)
    try:
        model = _from_pretrained(transformers.AutoModel, spec, config=config, dtype=torch.float32)
    except Exception as error:
        raise not_found(spec, error) from error
    return encoder_of(model) if getattr(config, "is_encoder_decoder", False) else without_pooler(model)


def _finish(model: nn.Module, keep_layers: int | None, weights: str) -> nn.Module:
    if keep_layers is not None:
        keep_first_layers(model, keep_layers)
    if weights not in ("pretrained", "random"):
        load_weights(model, weights)
    return model


def not_found(spec: ModelSpec, error: Exception) -> ModelError:
    """The error for a model that could not be loaded by its name."""
    return ModelError(
        f"{spec.kind}: needs the name of a model on the hub or of a local folder; {spec.name!r} could not be loaded "
        f"({first_sentence(error)}); without a network, download the model elsewhere and point to its folder: "
        f"{spec.kind}:/path/to/folder"
    )
