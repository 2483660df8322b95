"""Models that are known by name, and students for a budget."""

import numpy as np
import pytest
import torch
from PIL import Image

from aft.catalogue import KNOWN_MODELS, measured_students, within_budget
from aft.errors import UsageError
from aft.extraction import default_name
from aft.models import ModelSpec, load_backbone, parse_parts, part_names
from aft.models._text import train_tokenizer
from tests.models.conftest import TEXTS

#: Tiny models of each family: class, configuration, and the arguments of it.
SHARED = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
GROUPED = {**SHARED, "num_key_value_heads": 1, "max_position_embeddings": 64, "head_dim": 4}
TEXT_FAMILIES = {
    "mpnet": ("MPNetModel", "MPNetConfig", SHARED | {"max_position_embeddings": 66}),
    "bge-base": ("BertModel", "BertConfig", SHARED | {"max_position_embeddings": 64}),
    "e5-base": ("BertModel", "BertConfig", SHARED | {"max_position_embeddings": 64}),
    "multilingual-e5-large": ("XLMRobertaModel", "XLMRobertaConfig", SHARED | {"max_position_embeddings": 66}),
    "modernbert-base": ("ModernBertModel", "ModernBertConfig", SHARED | {"max_position_embeddings": 64}),
    "distilbert": ("DistilBertModel", "DistilBertConfig", {"dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16}),
    "flan-t5-small": ("T5ForConditionalGeneration", "T5Config", {"d_model": 8, "num_layers": 2, "num_heads": 2, "d_kv": 4, "d_ff": 16}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    "llama2-7b": ("LlamaForCausalLM", "LlamaConfig", GROUPED),
    "qwen3-embedding-0.6b": ("Qwen3Model", "Qwen3Config", GROUPED),
}  # fmt: skip
IMAGE_FAMILIES = {
    "dinov2-small": ("Dinov2Model", "Dinov2Config", SHARED | {"image_size": 28, "patch_size": 14}),
    "dinov3-small": ("DINOv3ViTModel", "DINOv3ViTConfig", SHARED | {"image_size": 32, "patch_size": 16}),
}
#: Models of timm of the families that are too large for a test, each with a small member of its family.
TIMM = {"eva02-base": "eva02_tiny_patch14_224", "mixer-b16": "mixer_s32_224", "vit-s16": "vit_tiny_patch16_224"}


def saved(folder, names, tokenizer=None):
    """A tiny model of a family with random weights, in the folder that transformers writes."""
    import transformers

    model, config, arguments = names
    own = {} if tokenizer is None else {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    getattr(transformers, model)(getattr(transformers, config)(**own, **arguments)).save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", TEXT_FAMILIES)
def test_each_family_of_texts_loads_with_its_pooling_and_prompt(tmp_path, name):
    folder = saved(tmp_path / "model", TEXT_FAMILIES[name], train_tokenizer(TEXTS, 200))
    spec = ModelSpec.parse(name)
    backbone = load_backbone(f"hf:{folder}", **spec.options)
    assert backbone.pooling == spec.options.get("pooling", "mean")
    assert backbone.prompt == spec.options.get("prompt", "")
    assert backbone.dim == 8
    encoded = backbone.encode(["a lovely film", "a dull and cold film number 3"])
    plain = load_backbone(f"hf:{folder}", pooling=backbone.pooling)
    assert len(encoded[0].ids) > len(plain.encode(["a lovely film"])[0].ids) or not backbone.prompt
    with torch.inference_mode():
        together = backbone(backbone.collate(encoded))
        alone = torch.cat([backbone(backbone.collate([item])) for item in encoded])
    assert torch.allclose(together, alone, atol=1e-4)  # padding changes nothing
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_an_embedding_model_has_the_layers_after_its_pooling(tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer import modules as models

    tokenizer = train_tokenizer(TEXTS, 200)
    arguments = GROUPED | {"use_bidirectional_attention": True, "layer_types": ["full_attention"] * 2}
    saved(tmp_path / "gemma", ("Gemma3TextModel", "Gemma3TextConfig", arguments), tokenizer)
    transformer = models.Transformer(str(tmp_path / "gemma"))
    parts = [transformer, models.Pooling(8), models.Dense(8, 12), models.Normalize()]
    sentence_transformers.SentenceTransformer(modules=parts, device="cpu").save(str(tmp_path / "st"))
    backbone = load_backbone(f"st:{tmp_path / 'st'}", **ModelSpec.parse("embeddinggemma").options)
    assert backbone.prompt == "task: classification | query: "
    with torch.inference_mode():
        features = backbone(backbone.collate(backbone.encode(["a lovely film", "a dull film"])))
    assert features.shape == (2, 12)
    assert torch.allclose(features.norm(dim=1), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize("name", IMAGE_FAMILIES)
def test_each_family_of_images_loads(tmp_path, name):
    folder = saved(tmp_path / "model", IMAGE_FAMILIES[name])
    backbone = load_backbone(f"hf:{folder}", **ModelSpec.parse(name).options)
    generator = np.random.default_rng(0)
    pictures = [Image.fromarray(generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(2)]
    with torch.inference_mode():
        features = backbone(backbone.collate(backbone.encode(pictures)))
    assert features.shape == (2, backbone.dim) == (2, 8)
    assert not torch.allclose(features[0], features[1], atol=1e-3)


@pytest.mark.parametrize("name", [one.name for one in KNOWN_MODELS.values() if one.kind == "timm"])
def test_models_of_timm_have_the_listed_size_and_width(name):
    timm, known = pytest.importorskip("timm"), KNOWN_MODELS[name]
    with torch.device("meta"):
        model = timm.create_model(known.model, num_classes=0).eval()
        width = model.forward_head(
            torch.zeros(model.forward_features(torch.zeros(1, 3, *model.default_cfg["input_size"][1:])).shape)
        ).shape[1]
    assert width == known.width
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(known.millions, rel=0.03)


@pytest.mark.parametrize("name", TIMM.values())
def test_each_family_of_timm_loads(name):
    backbone = load_backbone(f"timm:{name},weights=random")
    picture = Image.fromarray(np.zeros((40, 50, 3), dtype=np.uint8))
    with torch.inference_mode():
        assert backbone(backbone.collate(backbone.encode([picture]))).shape == (1, backbone.dim)


def test_a_short_name_stands_for_a_model_and_its_options():
    spec = ModelSpec.parse("e5-base,max_length=64,prompt=passage: ")
    assert (spec.kind, spec.name) == ("hf", "intfloat/e5-base-v2")
    assert spec.options == {"pooling": "mean", "prompt": "passage: ", "max_length": 64}
    assert ModelSpec.parse(str(spec)) == spec
    assert default_name("e5-base,max_length=64") == "e5-base"
    assert part_names("mobilenetv3-small*minilm,keep_layers=2") == ["mobilenetv3-small", "minilm,keep_layers=2"]
    assert [str(one) for one in parse_parts("aft:ngrams+distilbert")] == [
        "aft:ngrams",
        "hf:distilbert/distilbert-base-uncased",
    ]
    with pytest.raises(
        UsageError, match=r"has the form kind:name; received 'dinov2-larg'; did you mean 'dinov2-large'\?"
    ):
        ModelSpec.parse("dinov2-larg")


def test_every_known_model_can_be_named():
    for one in KNOWN_MODELS.values():
        assert str(ModelSpec.parse(one.name)).startswith(one.spec)
        assert one.licence
        assert one.width > 0


def test_students_within_a_budget():
    students = measured_students()
    assert {one.inputs for one in students} == {"image", "text"}
    for one in students:
        parse_parts(one.name)
        assert one.bytes == 4 * one.parameters
    small = within_budget(students, "2M")
    assert small
    assert all(one.parameters <= 2e6 for one in small)
    assert list(small) == sorted(small, key=lambda one: -one.parameters)
    assert within_budget(students, "10 MB") == tuple(
        sorted((one for one in students if one.bytes <= 1e7), key=lambda one: -one.bytes)
    )
    assert all(one.latency_ms <= 5 for one in within_budget(students, "5ms"))
    assert within_budget(students, "0.0001ms") == ()
    for wrong in ("5", "ms", "five ms", "5 parsecs", "-1ms"):
        with pytest.raises(UsageError, match="a budget is a time, a number of parameters or a size; received"):
            within_budget(students, wrong)
