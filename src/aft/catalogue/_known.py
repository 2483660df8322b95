"""Models that are known by name: where they come from, and what they are good for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Use = Literal["teacher", "student"]


@dataclass(frozen=True)
class KnownModel:
    """A model with a short name.

    Attributes:
        name: The short name, such as ``dinov2-large``.
        kind: ``"timm"``, ``"hf"``, ``"st"`` or ``"aft"``; see `ModelSpec`.
        model: Its name within that kind.
        inputs: ``"image"``, ``"text"``, or ``"image+text"`` for a model that embeds both.
        use: What it is usually chosen as. Any model of a hub can be either.
        millions: Millions of parameters that compute the features.
        width: Number of features.
        licence: The licence of its weights.
        about: What it is good for, in a few words.
        options: Options that it is loaded with, such as the pooling and the prompt that it was trained with.
    """

    name: str
    kind: str
    model: str
    inputs: str
    use: Use
    millions: float
    width: int
    licence: str
    about: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> str:
        """Its full name, without the options."""
        return f"{self.kind}:{self.model}"


def _image(
    name: str, model: str, millions: float, width: int, licence: str, about: str, use: Use = "teacher"
) -> KnownModel:
    kind, _, rest = model.partition(":")
    return KnownModel(name, kind, rest, "image", use, millions, width, licence, about)


def _pair(name: str, model: str, millions: float, width: int, licence: str, about: str) -> KnownModel:
    return KnownModel(name, "hf", model, "image+text", "teacher", millions, width, licence, about)


def _text(
    name: str, model: str, millions: float, width: int, licence: str, about: str, use: Use = "teacher", **options: Any
) -> KnownModel:
    kind, _, rest = model.partition(":")
    return KnownModel(name, kind, rest, "text", use, millions, width, licence, about, options)


_QWEN = "Instruct: Represent the text for classification\nQuery: "
_GEMMA = "task: classification | query: "
_ALL = (
    # Teachers of images.
    _image("dinov2-small", "hf:facebook/dinov2-small", 22, 384, "Apache-2.0", "photographs of any kind"),
    _image("dinov2-base", "hf:facebook/dinov2-base", 87, 768, "Apache-2.0", "photographs of any kind"),
    _image("dinov2-large", "hf:facebook/dinov2-large", 304, 1024, "Apache-2.0", "photographs of any kind"),
    _image("dinov2-giant", "hf:facebook/dinov2-giant", 1136, 1536, "Apache-2.0", "photographs of any kind"),
    _image("dinov3-small", "hf:facebook/dinov3-vits16-pretrain-lvd1689m", 22, 384, "DINOv3", "photographs, fine details"),
    _image("dinov3-base", "hf:facebook/dinov3-vitb16-pretrain-lvd1689m", 86, 768, "DINOv3", "photographs, fine details"),
    _image("dinov3-large", "hf:facebook/dinov3-vitl16-pretrain-lvd1689m", 303, 1024, "DINOv3", "photographs, fine details"),
    _image("bit-50x1", "timm:resnetv2_50x1_bit.goog_in21k", 23.5, 2048, "Apache-2.0", "objects of ImageNet-21k"),
    _image("bit-50x3", "timm:resnetv2_50x3_bit.goog_in21k", 211, 6144, "Apache-2.0", "objects of ImageNet-21k"),
    _image("bit-101x1", "timm:resnetv2_101x1_bit.goog_in21k", 42.5, 2048, "Apache-2.0", "objects of ImageNet-21k"),
    _image("bit-101x3", "timm:resnetv2_101x3_bit.goog_in21k", 382, 6144, "Apache-2.0", "objects of ImageNet-21k"),
    _image("bit-152x2", "timm:resnetv2_152x2_bit.goog_in21k", 232, 4096, "Apache-2.0", "objects of ImageNet-21k"),
    _image("bit-152x4", "timm:resnetv2_152x4_bit.goog_in21k", 928, 8192, "Apache-2.0", "objects of ImageNet-21k"),
    _image("eva02-base", "timm:eva02_base_patch14_224.mim_in22k", 86, 768, "MIT", "photographs; also fine-tunes well"),
    _image("eva02-large", "timm:eva02_large_patch14_224.mim_in22k", 303, 1024, "MIT", "photographs; also fine-tunes well"),
    # Teachers of images and of texts.
    _pair("clip-vit-b32", "openai/clip-vit-base-patch32", 151, 512, "MIT", "images, texts, whether they go together"),
    _pair("clip-vit-l14", "openai/clip-vit-large-patch14", 428, 768, "MIT", "images, texts, whether they go together"),
    _pair("clip-vit-h14", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", 986, 1024, "MIT", "images, texts, whether they go together"),
    _pair("clip-vit-g14", "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", 2540, 1280, "MIT", "images, texts, whether they go together"),
    _pair("siglip2-base", "google/siglip2-base-patch16-224", 375, 768, "Apache-2.0", "the same in many languages"),
    _pair("siglip2-so400m", "google/siglip2-so400m-patch14-224", 1136, 1152, "Apache-2.0", "the same in many languages"),
    # Teachers of texts.
    _text("minilm", "hf:sentence-transformers/all-MiniLM-L6-v2", 22.6, 384, "Apache-2.0", "sentences; small and fast"),
    _text("mpnet", "hf:sentence-transformers/all-mpnet-base-v2", 109, 768, "Apache-2.0", "sentences and paragraphs"),
    _text("modernbert-base", "hf:answerdotai/ModernBERT-base", 149, 768, "Apache-2.0", "long texts and code"),
    _text("modernbert-large", "hf:answerdotai/ModernBERT-large", 395, 1024, "Apache-2.0", "long texts and code"),
    _text("bge-small", "hf:BAAI/bge-small-en-v1.5", 33, 384, "MIT", "sentences and paragraphs", pooling="cls"),
    _text("bge-base", "hf:BAAI/bge-base-en-v1.5", 109, 768, "MIT", "sentences and paragraphs", pooling="cls"),
    _text("bge-large", "hf:BAAI/bge-large-en-v1.5", 335, 1024, "MIT", "sentences and paragraphs", pooling="cls"),
    _text("e5-base", "hf:intfloat/e5-base-v2", 109, 768, "MIT", "sentences and paragraphs", pooling="mean", prompt="query: "),
    _text("e5-large", "hf:intfloat/e5-large-v2", 335, 1024, "MIT", "sentences and paragraphs", pooling="mean", prompt="query: "),
    _text("multilingual-e5-large", "hf:intfloat/multilingual-e5-large", 560, 1024, "MIT", "a hundred languages", pooling="mean",
          prompt="query: "),
    _text("embeddinggemma", "st:google/embeddinggemma-300m", 308, 768, "Gemma", "a hundred languages", prompt=_GEMMA),
    _text("qwen3-embedding-0.6b", "hf:Qwen/Qwen3-Embedding-0.6B", 596, 1024, "Apache-2.0", "a hundred languages, code",
          pooling="last", prompt=_QWEN),
    _text("qwen3-embedding-4b", "hf:Qwen/Qwen3-Embedding-4B", 4022, 2560, "Apache-2.0", "a hundred languages, code",
          pooling="last", prompt=_QWEN),
    _text("qwen3-embedding-8b", "hf:Qwen/Qwen3-Embedding-8B", 7568, 4096, "Apache-2.0", "a hundred languages, code",
          pooling="last", prompt=_QWEN),
    _text("flan-t5-small", "hf:google/flan-t5-small", 35, 512, "Apache-2.0", "tasks stated as instructions", pooling="mean"),
    _text("flan-t5-base", "hf:google/flan-t5-base", 110, 768, "Apache-2.0", "tasks stated as instructions", pooling="mean"),
    _text("flan-t5-large", "hf:google/flan-t5-large", 341, 1024, "Apache-2.0", "tasks stated as instructions", pooling="mean"),
    _text("gpt2", "hf:openai-community/gpt2", 124, 768, "MIT", "English prose", pooling="last"),
    _text("gpt2-medium", "hf:openai-community/gpt2-medium", 355, 1024, "MIT", "English prose", pooling="last"),
    _text("gpt2-large", "hf:openai-community/gpt2-large", 774, 1280, "MIT", "English prose", pooling="last"),
    _text("gpt2-xl", "hf:openai-community/gpt2-xl", 1558, 1600, "MIT", "English prose", pooling="last"),
    _text("llama2-7b", "hf:meta-llama/Llama-2-7b-hf", 6607, 4096, "Llama 2", "English prose and facts", pooling="last"),
    _text("llama2-7b-chat", "hf:meta-llama/Llama-2-7b-chat-hf", 6607, 4096, "Llama 2", "instructions and questions", pooling="last"),
    # Students of texts.
    _text("bert-small", "hf:prajjwal1/bert-small", 28.5, 512, "MIT", "a student of the paper", "student"),
    _text("distilbert", "hf:distilbert/distilbert-base-uncased", 66.4, 768, "Apache-2.0", "a student of the paper", "student"),
    # Students of images.
    _image("vit-s16", "timm:vit_small_patch16_224.augreg_in21k", 21.7, 384, "Apache-2.0", "a student of the paper", "student"),
    _image("mixer-b16", "timm:mixer_b16_224.goog_in21k", 59.1, 768, "Apache-2.0", "a student of the paper", "student"),
    _image("resnet50", "timm:resnet50.a1_in1k", 23.5, 2048, "Apache-2.0", "a student of the paper", "student"),
    _image("clip-rn50", "timm:resnet50_clip.openai", 36.2, 2048, "MIT", "a student of the paper", "student"),
    _image("resnet18", "timm:resnet18.a1_in1k", 11.2, 512, "Apache-2.0", "simple, fast on any hardware", "student"),
    _image("mobilenetv2", "timm:mobilenetv2_100.ra_in1k", 2.2, 1280, "Apache-2.0", "telephones and small CPUs", "student"),
    _image("mobilenetv3-small", "timm:mobilenetv3_small_100.lamb_in1k", 1.5, 1024, "Apache-2.0", "telephones and small CPUs", "student"),
    _image("mobilenetv3-large", "timm:mobilenetv3_large_100.ra_in1k", 4.2, 1280, "Apache-2.0", "telephones and small CPUs", "student"),
    _image("mobilenetv4-small", "timm:mobilenetv4_conv_small.e2400_r224_in1k", 2.5, 1280, "Apache-2.0", "telephones and small CPUs", "student"),
    _image("efficientnet-lite0", "timm:efficientnet_lite0.ra_in1k", 3.4, 1280, "Apache-2.0", "integers on telephones", "student"),
    _image("vit-tiny", "timm:vit_tiny_patch16_224.augreg_in21k", 5.5, 192, "Apache-2.0", "a small transformer", "student"),
)  # fmt: skip
#: Models by short name.
KNOWN_MODELS: Mapping[str, KnownModel] = {one.name: one for one in _ALL}
