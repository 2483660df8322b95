"""Tiny models of several families, and texts to learn vocabularies from."""

import pytest
import torch

from aft.models._text import train_tokenizer
from tests.conftest import sentences

TEXTS = [text for _, text, _ in sentences(60)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tiny models with random weights, in the folders that transformers writes."""
    import transformers

    torch.manual_seed(0)  # what ran before must not decide how much 8 bits lose

    root = tmp_path_factory.mktemp("models")
    tokenizer = train_tokenizer(TEXTS, 200)
    size = {
        "vocab_size": len(tokenizer),
        "hidden_size": 8,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    made = {
        "bert": transformers.BertModel(transformers.BertConfig(**size, max_position_embeddings=32)),
        "gpt2": transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=3, n_head=2, n_positions=32)),
        "t5": transformers.T5ForConditionalGeneration(transformers.T5Config(vocab_size=len(tokenizer), d_model=8, num_layers=3, num_heads=2, d_kv=4, d_ff=16)),
        "vit": transformers.ViTModel(transformers.ViTConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=16, patch_size=8)),
    }  # fmt: skip
    for name, model in made.items():
        model.save_pretrained(root / name)
        if name != "vit":
            tokenizer.save_pretrained(root / name)
    return root


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    """Tiny models with random weights that embed images and texts."""
    import transformers

    torch.manual_seed(0)

    root = tmp_path_factory.mktemp("towers")
    tokenizer = train_tokenizer(TEXTS, 200)
    shared = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**shared, "image_size": 16, "patch_size": 8}
    text = {
        **shared, "vocab_size": len(tokenizer), "max_position_embeddings": 24, "projection_size": 8,
        "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id,
    }  # fmt: skip
    made = {
        "clip": transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=6)),
        "siglip": transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)),
        "siglip2": transformers.Siglip2Model(transformers.Siglip2Config(text_config=text, vision_config={**shared, "num_patches": 4, "patch_size": 8})),
    }  # fmt: skip
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    for name, model in made.items():
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
        processor.save_pretrained(root / name)
    return root
