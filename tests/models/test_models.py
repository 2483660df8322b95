import numpy as np
import pytest
import torch
from torch import nn

import aft
from aft.errors import ModelError, UsageError
from aft.models import ModelSpec, Student, forward_all, load_backbone, restore_backbone, weights_digest
from aft.models._text import pool_tokens, train_tokenizer
from tests.conftest import sentences

TEXTS = [text for _, text, _ in sentences(60)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tiny models of three families, saved as transformers saves them."""
    import transformers

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


def test_names_are_taken_apart():
    spec = ModelSpec.parse("timm:resnet18,image_size=64,weights=random")
    assert (spec.kind, spec.name, spec.options) == ("timm", "resnet18", {"image_size": 64, "weights": "random"})
    assert str(spec) == "timm:resnet18,image_size=64,weights=random"
    for text, message in (
        ("resnet18", "kind:name"),
        ("tim:resnet18", "did you mean 'timm'"),
        ("timm:resnet18,imagesize=3", "did you mean 'image_size'"),
        ("timm:resnet18,image_size=big", "whole number; received 'big'"),
        ("aft:statik", "did you mean 'static'"),
        ("timm:resnet81", "did you mean 'resnet"),
        ("python:nowhere.at.all:f", "could not be imported"),
        ("python:tests.conftest:nothing", "no callable 'nothing'"),
    ):
        with pytest.raises((UsageError, ModelError), match=message):
            load_backbone(text, role="student", texts=lambda: TEXTS)


@pytest.mark.parametrize(("name", "pooling"), [("bert", "mean"), ("gpt2", "last"), ("t5", "mean")])
def test_each_family_is_pooled_as_it_calls_for(folders, name, pooling):
    backbone = load_backbone(f"hf:{folders / name}")
    assert backbone.pooling == pooling
    encoded = backbone.encode(["a lovely film", "a dull and cold film number 3"])
    with torch.inference_mode():
        together = backbone(backbone.collate(encoded))
        alone = torch.cat([backbone(backbone.collate([item])) for item in encoded])
    assert together.shape == (2, backbone.dim) == (2, 8)
    assert torch.allclose(together, alone, atol=1e-5)  # padding changes nothing


def test_layers_are_cut_and_captured(folders):
    whole = load_backbone(f"hf:{folders / 'bert'}")
    cut = load_backbone(f"hf:{folders / 'bert'},keep_layers=2")
    layer = load_backbone(f"hf:{folders / 'bert'},layer=encoder.layer.1")
    batch = whole.collate(whole.encode(["a lovely film"]))
    with torch.inference_mode():
        assert torch.allclose(cut(batch), layer(batch))
        assert not torch.allclose(cut(batch), whole(batch))
    assert cut.size() < whole.size()
    with pytest.raises(UsageError, match="between 1 and the model's 3 layers"):
        load_backbone(f"hf:{folders / 'bert'},keep_layers=4")
    with pytest.raises(UsageError, match="unknown layer 'encoder.layr.1'.*did you mean"):
        load_backbone(f"hf:{folders / 'bert'},layer=encoder.layr.1")


def test_vision_transformers_of_transformers(folders):
    from PIL import Image

    backbone = load_backbone(f"hf:{folders / 'vit'}")
    batch = backbone.collate(backbone.encode([Image.new("RGB", (20, 30)), Image.new("RGB", (9, 9), "red")]))
    assert backbone(batch).shape == (2, 8)


def test_hub_names_offline_say_what_to_do(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("hf:nobody/nothing", "st:nobody/nothing"):
        with pytest.raises(ModelError, match="point to its folder"):
            load_backbone(name)
    monkeypatch.setattr("timm.create_model", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(ModelError, match="--weights random"):
        load_backbone("timm:resnet18")


def test_pooling_ignores_padding():
    states = torch.tensor([[[1.0], [2.0], [9.0]], [[3.0], [5.0], [7.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert pool_tokens(states, mask, "mean").flatten().tolist() == [1.5, 5.0]
    assert pool_tokens(states, mask, "last").flatten().tolist() == [2.0, 7.0]
    assert pool_tokens(states, mask, "max").flatten().tolist() == [2.0, 7.0]
    assert pool_tokens(states, mask, "cls").flatten().tolist() == [1.0, 3.0]


def test_a_vocabulary_is_learnt_the_same_each_time_and_cuts_are_noticed():
    one, two = train_tokenizer(TEXTS, 200), train_tokenizer(TEXTS, 200)
    assert one.get_vocab() == two.get_vocab()
    backbone = load_backbone("aft:static,max_length=6,vocabulary=200", role="student", texts=lambda: TEXTS)
    short, long = backbone.encode(["a", "a lovely bright warm film " * 9])
    assert not backbone.truncated(short)
    assert backbone.truncated(long)
    assert len(long.ids) == 6


@pytest.mark.parametrize("name", ["aft:static,vocabulary=200", "aft:transformer,vocabulary=200,width=16,layers=1", "hf:BERT,weights=random,vocabulary=150", "hf:BERT,keep_layers=1", "hf:BERT,vocabulary=30", "timm:resnet10t,weights=random,image_size=32", "hf:VIT", "python:tests.conftest:bag_of_letters", "aft:static,width=6,embeddings=BERT"])  # fmt: skip
def test_a_student_is_restored_from_its_config_and_weights(folders, tmp_path, name):
    from PIL import Image

    name = name.replace("BERT", str(folders / "bert")).replace("VIT", str(folders / "vit"))
    pictures = "timm" in name or "vit" in name
    inputs = [Image.new("RGB", (40, 32), colour) for colour in ("red", "blue")] if pictures else TEXTS[:2]
    backbone = load_backbone(name, role="student", texts=lambda: TEXTS, example=inputs[0])
    student = Student(backbone, 3).eval()
    backbone.save_assets(tmp_path)
    code = name if name.startswith("python:") else None
    again = Student(restore_backbone(backbone.config(), tmp_path, code), 3)
    again.load_state_dict(student.state_dict())
    one = forward_all(student, backbone.encode(inputs))
    two = forward_all(again, again.backbone.encode(inputs))
    assert one.features.shape == (2, student.dim)
    assert np.array_equal(one.logits, two.logits)
    assert weights_digest(student) == weights_digest(again)


def test_a_module_with_a_classifier_keeps_it():
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    student = Student(load_backbone(module, role="student", example=np.zeros(4, np.float32)), 3)
    x = torch.randn(5, 4)
    output = student({"input": x})
    assert student.dim == 6
    assert torch.equal(output.logits, module(x))
    assert torch.equal(output.features, module[1](module[0](x)))
    other = Student(load_backbone(module, role="student", example=np.zeros(4, np.float32)), 7)
    assert other.dim == 3  # its outputs are features then


def test_capture_gives_features_and_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))
    x = torch.randn(4, 3, 8, 8)
    with aft.capture(model, "2") as captured:
        logits = model(x)
        phi = captured.features
    assert phi.shape == (4, 5)
    assert phi.requires_grad
    assert torch.equal(logits, model[4](phi))
    assert not any(module._forward_hooks for module in model.modules())
    with aft.capture(model, "1", pool="mean") as captured:
        model(x)
    assert torch.allclose(captured.features, phi)
    with pytest.raises(UsageError, match="unknown layer '9'"), aft.capture(model, "9"):
        pass
    with pytest.raises(ModelError, match="has not run"), aft.capture(model, "2") as captured:
        _ = captured.features


def test_a_pruned_vocabulary_keeps_the_training_texts_as_they_were(folders):
    whole = load_backbone(f"hf:{folders / 'bert'}", role="student")
    pruned = load_backbone(f"hf:{folders / 'bert'},vocabulary=1000", role="student", texts=lambda: TEXTS[:1])
    assert pruned.size() < whole.size()
    for text, same in ((TEXTS[0], True), (TEXTS[1], False)):
        one, two = (b.eval()(b.collate(b.encode([text]))) for b in (whole, pruned))
        assert torch.allclose(one, two) is same
    few = load_backbone(f"hf:{folders / 'bert'},vocabulary=12", role="student", texts=lambda: TEXTS)
    assert few.model.get_input_embeddings().num_embeddings == 12
    with pytest.raises(UsageError, match="received none"):
        load_backbone(f"hf:{folders / 'bert'},vocabulary=12", role="student")
