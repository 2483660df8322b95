"""Models of open_clip, for use as teachers: embeddings of images, of texts, or of both."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aft.core import first_sentence, side_by_side
from aft.data import IMAGE, TEXT, Modality
from aft.errors import MissingExtraError, ModelError, UsageError, did_you_mean
from aft.models._backbone import Backbone, Batch, Recipe
from aft.models._image_backbone import stack_images
from aft.models._spec import ModelSpec
from aft.models._towers import Towers, tower_to_read

#: Of no use to a teacher.
_RECIPE = Recipe(lr=1e-4)


class OpenClipImages(Backbone):
    """The image embedding of a model.

    Args:
        model: The model of open_clip.
        transform: Its preprocessing of a PIL image.
    """

    accepts = (IMAGE,)
    recipe = _RECIPE

    def __init__(self, model: Any, transform: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._transform = transform
        size = model.visual.preprocess_cfg["size"]
        height, width = (size, size) if isinstance(size, int) else size
        with torch.no_grad():
            self.dim = int(self.eval()({"image": torch.zeros(1, 3, height, width)}).shape[1])

    def encode_own(self, inputs: Sequence[Any]) -> list[Tensor]:
        """Resize, crop and normalise images as open_clip does."""
        return side_by_side(self._transform, inputs)

    def collate(self, encoded: Sequence[Tensor]) -> Batch:
        """Stack images: ``image`` is ``(B, 3, H, W)``."""
        return stack_images(encoded)

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        features: Tensor = self.model.encode_image(batch["image"])
        return features

    def preprocessing(self) -> dict[str, Any]:
        """Size, way of resizing and normalisation."""
        return {name: str(value) for name, value in self.model.visual.preprocess_cfg.items()}

    def config(self) -> dict[str, Any]:
        """The preprocessing. Only students are restored, and this is a teacher."""
        return {"class": "open-clip-images", "images": self.preprocessing()}


class OpenClipTexts(Backbone):
    """The text embedding of a model.

    Args:
        model: The model of open_clip.
        tokenizer: Its tokenizer, which pads all texts to one length.
        prompt: Text to put before every text.
    """

    accepts = (TEXT,)
    recipe = _RECIPE

    def __init__(self, model: Any, tokenizer: Any, prompt: str) -> None:
        super().__init__()
        self.model = model
        self._tokenizer = tokenizer
        self.max_length = int(tokenizer.context_length)
        self.prompt = prompt
        with torch.no_grad():
            self.dim = int(self.eval()(self.collate(self.encode(["a"]))).shape[1])

    def encode_own(self, inputs: Sequence[Any]) -> list[tuple[Tensor, bool]]:
        """Tokenise texts, and cut off what is over the limit."""
        if not inputs:
            return []
        texts = [self.prompt + text for text in inputs]
        ids = self._tokenizer(texts)
        # With room for one more token, a text that fits only gets more padding.
        longer = self._tokenizer(texts, context_length=self.max_length + 1)
        return list(zip(ids, (longer[:, :-1] != ids).any(dim=1).tolist(), strict=True))

    def collate(self, encoded: Sequence[tuple[Tensor, bool]]) -> Batch:
        """Stack tokens: ``input_ids`` is ``(B, T)``."""
        return {"input_ids": torch.stack([ids for ids, _ in encoded])}

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        features: Tensor = self.model.encode_text(batch["input_ids"])
        return features

    def truncated(self, encoded: tuple[Tensor, bool]) -> bool:
        """Whether the text was longer than the limit."""
        return encoded[1]

    def limit(self) -> str:
        """The limit, for messages."""
        return f"{self.max_length} tokens"

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """The limit, the prompt, and a digest of the tokens of a few hundred short texts: tokenizers of open_clip have no common file."""
        ids = self._tokenizer([f"a {chr(code)}{chr(code)} {code}" for code in range(32, 592)])
        digest = hashlib.sha256(ids.numpy().tobytes()).hexdigest()
        return {"max_length": self.max_length, "prompt": self.prompt, "tokenizer": digest}

    def config(self) -> dict[str, Any]:
        """The settings. Only students are restored, and this is a teacher."""
        return {"class": "open-clip-texts", "prompt": self.prompt, "max_length": self.max_length}


def load_open_clip(spec: ModelSpec, modality: Modality | None) -> Backbone:
    """Load ``open_clip:ARCHITECTURE,weights=TAG``, ``open_clip:OWNER/NAME`` of the hub, or ``open_clip:FOLDER``.

    Args:
        spec: The name with its options ``weights``, ``prompt`` and ``reads``.
        modality: That of the inputs, if it is known: it chooses between embeddings of images and of texts.

    Returns:
        The backbone.

    Raises:
        MissingExtraError: open_clip is not installed.
        ModelError: The model cannot be loaded.
        UsageError: The option ``reads`` is neither image nor text, or ``weights`` are named for a model that has its own.
    """
    try:
        import open_clip
    except ImportError as error:
        raise MissingExtraError(
            "open_clip: models need open_clip_torch, which is not installed; run pip install 'adaptive-feature-transfer[open-clip]'"
        ) from error
    reads = tower_to_read(spec, modality, "teacher")
    name = spec.name.removeprefix("hf-hub:")
    source = f"local-dir:{name}" if Path(name).is_dir() else f"hf-hub:{name}" if "/" in name else name
    weights = spec.options.get("weights")
    if source == name:
        _check_weights(open_clip, name, weights)
    elif weights is not None:
        raise UsageError(
            f"weights= belongs to the name of an architecture; {name!r} has weights of its own; received weights={weights!r}; leave it out"
        )
    gelu = bool(open_clip.get_pretrained_cfg(name, weights).get("quick_gelu")) if weights else False
    try:
        with _quiet():
            model = open_clip.create_model(source, weights, force_quick_gelu=gelu, require_pretrained=True)
            tokenizer = open_clip.get_tokenizer(source)
    except Exception as error:  # open_clip and the hub's client raise many types of exceptions
        raise ModelError(
            f"open_clip: needs weights on the hub, or a folder that holds open_clip_config.json and weights; {name!r} could not be loaded "
            f"({first_sentence(error)}); without a network, download the model elsewhere and point to its folder: open_clip:/path/to/folder"
        ) from error
    towers: list[Backbone] = []
    if reads != "text":
        preprocess = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
        towers.append(OpenClipImages(model, open_clip.transform.image_transform_v2(preprocess, is_train=False)))
    if reads != "image":
        towers.append(OpenClipTexts(model, tokenizer, spec.options.get("prompt", "")))
    return Towers(*towers) if len(towers) > 1 else towers[0]


def _check_weights(open_clip: Any, name: str, weights: str | None) -> None:
    """Raise an error if open_clip does not know an architecture, or weights of that name for it."""
    known = open_clip.list_models()
    if name not in known:
        raise ModelError(f"open_clip has no model {name!r}{did_you_mean(name, known)}")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if weights is None or not (weights in tags or Path(weights).is_file()):
        raise ModelError(
            f"weights= names the weights of open_clip:{name}, or a file; received {weights!r}; choose one of {', '.join(tags) or 'no tags'}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip from reporting its progress, which would also configure the logging of the whole program."""
    handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers
