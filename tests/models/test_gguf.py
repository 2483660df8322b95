"""Teachers and students in GGUF files, made here from models of transformers."""

import gguf
import numpy as np
import pytest
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

import aft
from aft.data import Dataset
from aft.errors import MissingExtraError, ModelError
from aft.extraction import extract
from aft.models import load_backbone
from tests.conftest import sentences

TEXTS = [text for _, text, _ in sentences(60)]
#: Names of a layer's weights in transformers and in GGUF files.
LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip


def gguf_name(name):
    """What llama.cpp calls a parameter of Qwen 2."""
    rest, _, kind = name.removeprefix("model.").rpartition(".")
    if rest.startswith("layers."):
        _, number, inner = rest.split(".", 2)
        return f"blk.{number}.{LAYER[inner]}.{kind}"
    return {"embed_tokens": "token_embd", "norm": "output_norm"}[rest] + f".{kind}"


def write_gguf(path, model, quantised):
    """Write a small Qwen 2 with a tokenizer of bytes, as llama.cpp's converter does."""
    config = model.config
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*sorted(ByteLevel.alphabet()), "th", "<|endoftext|>"])
    writer.add_token_types([gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["t h"])
    for add in (writer.add_eos_token_id, writer.add_bos_token_id, writer.add_pad_token_id):
        add(257)
    for name, values in model.state_dict().items():
        array = values.numpy()
        kind = gguf.GGMLQuantizationType.Q8_0
        if quantised and array.ndim == 2:
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(gguf_name(name), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a GGUF file in float32 and one in 8 bits, and the model that both are of."""
    root = tmp_path_factory.mktemp("gguf")
    torch.manual_seed(0)
    model = transformers.Qwen2Model(
        transformers.Qwen2Config(
            vocab_size=258, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-6, rope_theta=10000.0,
        )
    ).eval()  # fmt: skip
    write_gguf(root / "tiny-f32.gguf", model, quantised=False)
    write_gguf(root / "tiny-q8.gguf", model, quantised=True)
    return root, model


def test_features_are_those_of_the_model_that_the_file_was_made_of(folder):
    root, model = folder
    backbone = load_backbone(f"hf:{root}/tiny-f32.gguf").eval()
    assert (backbone.pooling, backbone.dim, backbone.max_length) == ("last", 32, 64)
    for text in TEXTS[:3]:
        batch = backbone.collate(backbone.encode([text]))
        with torch.inference_mode():
            expected = model(input_ids=batch["input_ids"]).last_hidden_state[:, -1]
            assert torch.allclose(backbone(batch), expected, atol=1e-5)


def test_a_quantised_file_gives_nearly_the_same_and_is_another_teacher(folder, tmp_path):
    root, _ = folder
    data = Dataset.from_arrays(TEXTS[:10], ids=[f"t{n}" for n in range(10)])
    exact, quantised = (
        extract(data, f"hf:{root}/tiny-{kind}.gguf", name=kind, out=tmp_path, progress=False) for kind in ("f32", "q8")
    )
    difference = np.abs(exact[data.ids] - quantised[data.ids]).max()
    assert 0 < difference < 0.1 * np.abs(exact[data.ids]).max()
    assert exact.fingerprint != quantised.fingerprint


def test_a_student_that_starts_from_a_file_is_trained_saved_and_loaded(folder, tmp_path):
    root, _ = folder
    labels = [label for _, _, label in sentences(60)]
    data = Dataset.from_arrays(TEXTS, labels, ids=[f"t{n}" for n in range(60)])
    out = tmp_path / "run"
    aft.train(
        data, f"hf:{root}/tiny-q8.gguf,keep_layers=1", method="finetune", steps=3, lr=1e-3, out=out, progress=False
    )
    for file in root.iterdir():
        file.rename(tmp_path / file.name)  # a run holds its own weights
    try:
        assert len(aft.load(out).predict(TEXTS[:4])) == 4
    finally:
        for file in tmp_path.glob("*.gguf"):
            file.rename(root / file.name)


def test_a_file_that_is_damaged_or_missing_is_named(folder, tmp_path):
    root, _ = folder
    (tmp_path / "torn.gguf").write_bytes((root / "tiny-q8.gguf").read_bytes()[:2000])
    for file in ("torn.gguf", "missing.gguf"):
        with pytest.raises(ModelError, match=f"{file}' could not be loaded"):
            load_backbone(f"hf:{tmp_path}/{file}")


def test_the_extra_is_named_where_it_is_missing(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"gguf, which is not installed.*\[gguf\]"):
        load_backbone(f"hf:{folder[0]}/tiny-q8.gguf")
