import numpy as np
import pytest
import torch

from aft.data import Dataset
from aft.errors import UsageError
from aft.extraction import extract, extract_all
from aft.models import load_backbone
from aft.models._text import parts_by_length
from tests.models.conftest import TEXTS


@pytest.mark.parametrize(("name", "pooling"), [("bert", "mean"), ("gpt2", "last"), ("t5", "mean")])
def test_each_family_has_its_default_pooling(folders, name, pooling):
    backbone = load_backbone(f"hf:{folders / name}")
    assert backbone.pooling == pooling
    encoded = backbone.encode(["a lovely film", "a dull and cold film number 3"])
    with torch.inference_mode():
        together = backbone(backbone.collate(encoded))
        alone = torch.cat([backbone(backbone.collate([item])) for item in encoded])
    assert together.shape == (2, backbone.dim) == (2, 8)
    assert torch.allclose(together, alone, atol=1e-5)  # padding changes nothing


@pytest.mark.parametrize(("name", "layer"), [("bert", None), ("bert", "encoder.layer.0"), ("gpt2", None), ("t5", None)])
def test_texts_of_similar_length_go_together_and_nothing_changes(folders, name, layer, monkeypatch):
    backbone = load_backbone(f"hf:{folders / name}" + (f",layer={layer}" if layer else "")).eval()
    texts = [" ".join(["a lovely film"] * (1 + n * n % 9)) for n in range(48)]
    batch = backbone.collate(backbone.encode(texts))
    parts = parts_by_length(batch["attention_mask"].sum(dim=1))
    assert [len(rows) for rows, _ in parts] == [16, 16, 16]
    assert sorted(torch.cat([rows for rows, _ in parts]).tolist()) == list(range(48))

    def features_and_gradient():
        features = backbone(batch)
        weight = next(p for p in backbone.parameters() if p.requires_grad)
        return features, torch.autograd.grad(features.square().sum(), weight)[0]

    backbone.training = True  # it alone: dropout would change the features
    divided = features_and_gradient()
    monkeypatch.setattr("aft.models._text.parts_by_length", lambda _: [])
    for one, other in zip(divided, features_and_gradient(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_batch_is_whole_where_dividing_it_saves_little():
    (part,) = parts_by_length(torch.tensor([7, 9, 8, 8] * 12))
    assert (len(part[0]), part[1]) == (48, 9)
    assert len(parts_by_length(torch.tensor([5] * 15 + [60]))) == 1


def test_a_model_with_its_first_layers_gives_the_features_of_that_layer(folders):
    whole = load_backbone(f"hf:{folders / 'bert'}")
    short = load_backbone(f"hf:{folders / 'bert'},keep_layers=2")
    layer = load_backbone(f"hf:{folders / 'bert'},layer=encoder.layer.1")
    batch = whole.collate(whole.encode(["a lovely film"]))
    with torch.inference_mode():
        assert torch.allclose(short(batch), layer(batch))
        assert not torch.allclose(short(batch), whole(batch))
    assert short.size() < whole.size()
    with pytest.raises(UsageError, match="between 1 and the model's 3 layers"):
        load_backbone(f"hf:{folders / 'bert'},keep_layers=4")
    with pytest.raises(UsageError, match="unknown layer 'encoder.layr.1'.*did you mean"):
        load_backbone(f"hf:{folders / 'bert'},layer=encoder.layr.1")


@pytest.mark.parametrize(
    ("name", "layer"),
    [("hf:BERT", "encoder.layer.0"), ("hf:VIT", "layers.0"), ("timm:resnet10t,weights=random,image_size=32", "layer2")],
)
def test_a_backbone_at_another_layer_shares_the_network(folders, name, layer):
    from PIL import Image

    name = name.replace("BERT", str(folders / "bert")).replace("VIT", str(folders / "vit"))
    inputs = TEXTS[:2] if "bert" in name else [Image.new("RGB", (20, 30), colour) for colour in ("red", "blue")]
    backbone = load_backbone(name)
    other = backbone.at_layer(layer, None, inputs[0]).eval()
    assert other.network is backbone.network
    batch = backbone.collate(backbone.encode(inputs))
    with torch.inference_mode():
        assert other(batch).shape == (2, other.dim)
        assert other(batch).shape != backbone(batch).shape or not torch.equal(other(batch), backbone(batch))


def test_vision_transformers(folders):
    from PIL import Image

    backbone = load_backbone(f"hf:{folders / 'vit'}")
    batch = backbone.collate(backbone.encode([Image.new("RGB", (20, 30)), Image.new("RGB", (9, 9), "red")]))
    assert backbone(batch).shape == (2, 8)


def test_a_pruned_vocabulary_keeps_the_features_of_the_training_texts(folders):
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


def test_layers_of_a_text_model_are_extracted_in_one_pass_whatever_the_lengths_of_the_texts(folders, tmp_path):
    texts = [" ".join(["a lovely film"] * (1 + n * n % 9)) for n in range(48)]
    dataset = Dataset.from_arrays(texts, ids=[f"t{n}" for n in range(48)])
    teachers = {"last": f"hf:{folders / 'bert'}", "first": f"hf:{folders / 'bert'},layer=encoder.layer.0"}
    together = extract_all(dataset, teachers, out=tmp_path / "together", batch_size=48, progress=False)
    for store in together:
        alone = extract(
            dataset, teachers[store.name], name=store.name, out=tmp_path / "alone", batch_size=48, progress=False
        )
        assert np.array_equal(store[store.ids], alone[store.ids])


def test_pretrained_models_train_without_dropout_unless_it_is_asked_for(folders):
    def rates(options):
        backbone = load_backbone(f"hf:{folders}/{options}", role="student", texts=lambda: TEXTS)
        return {module.p for module in backbone.modules() if isinstance(module, torch.nn.Dropout)}

    assert rates("bert") == rates("gpt2") == rates("t5") == {0.0}
    assert rates("bert,dropout=0.2") == rates("gpt2,dropout=0.2") == {0.2}
    assert rates("bert,weights=random") == {0.1}
    assert rates("bert,weights=random,dropout=0") == {0.0}


def test_layers_extracted_together_have_the_fingerprints_of_each_alone(folders, tmp_path):
    dataset, bert = Dataset.from_arrays(TEXTS), f"hf:{folders / 'bert'}"
    layers = {"first": f"{bert},layer=encoder.layer.0", "last": bert}
    together = extract_all(dataset, layers, out=tmp_path / "together", progress=False)
    for store, (name, layer) in zip(together, layers.items(), strict=True):
        alone = extract(dataset, layer, name=name, out=tmp_path / "alone", progress=False)
        assert store.fingerprint == alone.fingerprint
