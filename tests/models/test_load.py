import numpy as np
import pytest
import torch

from aft.core._hub import PROXIES, hub_access
from aft.data import ARRAY, IMAGE, TEXT, TEXT_PAIR
from aft.errors import ModelError, UsageError
from aft.models import ModelSpec, Student, forward_all, load_backbone, restore_backbone, weights_digest
from tests.models.conftest import TEXTS


def test_names_of_models_are_parsed():
    spec = ModelSpec.parse("timm:resnet18,image_size=64,weights=random")
    assert (spec.kind, spec.name, spec.options) == ("timm", "resnet18", {"image_size": 64, "weights": "random"})
    assert str(spec) == "timm:resnet18,image_size=64,weights=random"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet1818", "kind:name"),
        ("tim:resnet18", "did you mean 'timm'"),
        ("timm:resnet18,imagesize=3", "did you mean 'image_size'"),
        ("timm:resnet18,image_size=big", "whole number from 1 on; received 'big'"),
        ("aft:statik", "did you mean 'aft:static'"),
        ("timm:resnet81", "did you mean 'resnet"),
        ("timm:resnet10t,weights=/no/file.pt", "weights= is pretrained, random or a file; there is no file"),
        ("python:nowhere.at.all:f", "could not be imported"),
        ("python:tests.conftest:nothing", "no callable 'nothing'"),
        ("python:tests.conftest:bag_of_letters,weights=random", "needs a factory with a parameter named weights"),
    ],
)
def test_wrong_names_say_what_is_wrong(name, message):
    with pytest.raises((UsageError, ModelError), match=message):
        load_backbone(name, role="student", texts=lambda: TEXTS)


def test_models_that_need_the_hub_say_what_to_do_without_it(monkeypatch):
    # The environment variable is read when the package is imported, which may have happened already.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("hf:nobody/nothing", "st:nobody/nothing"):
        with pytest.raises(ModelError, match="point to its folder"):
            load_backbone(name)
    monkeypatch.setattr("timm.create_model", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(ModelError, match="weights='random'"):
        load_backbone("timm:resnet18", role="student")
    with pytest.raises(ModelError, match="downloaded file as weights=$"):
        load_backbone("timm:resnet18")


def test_where_the_hub_has_no_address_its_cache_is_used_at_once(monkeypatch, tmp_path):
    from huggingface_hub import constants

    def unresolved(*_):
        raise OSError("name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("socket.getaddrinfo", unresolved)
    for name in (*PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    for name, offline in (("bert-base-uncased", True), (str(tmp_path), False)):
        with hub_access(name):
            assert constants.HF_HUB_OFFLINE is offline
        assert constants.HF_HUB_OFFLINE is False
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    with hub_access("bert-base-uncased"):
        assert constants.HF_HUB_OFFLINE is False


def test_a_backbone_checks_the_modality_of_a_dataset(folders):
    text = load_backbone(f"hf:{folders / 'bert'}")
    for modality in (TEXT, TEXT_PAIR):
        text.read(modality, "teacher")
    with pytest.raises(
        ModelError, match="takes text or pair, and the dataset holds image inputs; choose another teacher"
    ):
        text.read(IMAGE, "teacher")
    image = load_backbone(f"hf:{folders / 'vit'}", role="student")
    image.read(IMAGE, "student")
    with pytest.raises(UsageError, match="takes image, and the dataset holds array inputs; choose another student"):
        image.read(ARRAY, "student")


@pytest.mark.parametrize("name", ["aft:static,vocabulary=200", "aft:transformer,vocabulary=200,width=16,layers=1", "hf:BERT,weights=random,vocabulary=150", "hf:BERT,keep_layers=1", "hf:BERT,vocabulary=30", "timm:resnet10t,weights=random,image_size=32", "hf:VIT", "python:tests.conftest:bag_of_letters", "aft:static,width=6,init=BERT", "aft:cnn,width=6,hidden=4,init=BERT", "aft:ngrams,width=4"])  # fmt: skip
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


def test_code_that_a_run_names_is_not_executed(tmp_path):
    backbone = load_backbone("python:tests.conftest:bag_of_letters", role="student", example="a")
    with pytest.raises(ModelError, match="pass student='python:tests.conftest:bag_of_letters' if you trust"):
        restore_backbone(backbone.config(), tmp_path)
    module = load_backbone(torch.nn.Linear(2, 3), role="student", example=np.zeros(2, np.float32))
    with pytest.raises(ModelError, match="this run trained a Linear; pass it as student="):
        restore_backbone(module.config(), tmp_path)


@pytest.mark.parametrize(
    ("name", "role", "message"),
    [
        ("st:x", "student", "load the same folder with hf:"),
        ("aft:static,layers=2", "student", "has no option 'layers'"),
        ("timm:resnet10t,weights=random,pooling=max", "teacher", "without a layer"),
        ("st:x,layer=1", "teacher", "has no option 'layer'"),
    ],
)
def test_options_that_would_be_ignored_are_rejected(name, role, message):
    with pytest.raises(UsageError, match=message):
        load_backbone(name, role=role, texts=lambda: ["a text"] * 3)
