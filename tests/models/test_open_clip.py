"""Models of open_clip: embeddings of images, of texts, and of both together."""

import json
import logging

import open_clip
import pytest
import torch
import torch.nn.functional as F

from aft.data import Dataset
from aft.errors import ModelError, UsageError
from aft.extraction import extract_all
from aft.models import load_backbone
from tests.models.test_hf_towers import features, pictures

WORDS = ["a lovely film", "a dull and cold film", "one of the ten films that nobody has seen " * 2]
VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny CLIP with random weights, in the layout of the hub."""
    folder = tmp_path_factory.mktemp("open-clip")
    model = {"embed_dim": 6, "vision_cfg": VISION, "text_cfg": TEXT}
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "resize_mode": "squash"}
    text = json.dumps({"model_cfg": model, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    torch.manual_seed(0)
    torch.save(open_clip.create_model(f"local-dir:{folder}").state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


def test_features_are_the_embeddings_of_open_clip(folder):
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    seen = pictures(3)
    with torch.inference_mode():
        images = model.eval().encode_image(torch.stack([transform(picture) for picture in seen]))
        texts = model.encode_text(tokenizer(WORDS))
    assert torch.allclose(features(load_backbone(f"open_clip:{folder},reads=image"), seen), images, atol=1e-5)
    assert torch.allclose(features(load_backbone(f"open_clip:{folder}", example="a"), WORDS), texts, atol=1e-5)
    both = load_backbone(f"open_clip:{folder}", example=(seen[0], WORDS[0]))
    both.read(("image", "text"), "teacher")
    u, v = F.normalize(images, dim=1), F.normalize(texts, dim=1)
    assert both.dim == 18
    assert torch.allclose(
        features(both, list(zip(seen, WORDS, strict=True))), torch.cat([u, v, u * v], dim=1), atol=1e-5
    )


def test_texts_over_the_limit_are_counted(folder):
    backbone = load_backbone(f"open_clip:{folder},prompt=this is ", example="a text")
    assert backbone.limit() == "12 tokens"
    words = ["word " * 8, "word " * 9, ""]  # this is, and a token at the start and at the end: 12, 13 and 4 tokens
    assert [backbone.truncated(item) for item in backbone.encode(words)] == [False, True, False]
    assert backbone.encode([]) == []


def test_loading_leaves_the_logging_of_the_program_alone(folder, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    load_backbone(f"open_clip:{folder},reads=image")
    assert logging.root.handlers == []
    assert logging.root.manager.disable == 0


def test_a_teacher_of_images_with_texts(folder, tmp_path):
    inputs = list(zip(pictures(12), [WORDS[n % 3] for n in range(12)], strict=True))
    dataset = Dataset.from_arrays(inputs, ["yes" if n % 3 else "no" for n in range(12)])
    teachers = {"both": f"open_clip:{folder}", "text": f"open_clip:{folder},reads=text,prompt=film: "}
    stores = extract_all(dataset, teachers, out=tmp_path, progress=False)
    assert [store.dim for store in stores] == [18, 6]
    assert stores[1].fingerprint["preprocessing.prompt"] == "film: "
    assert stores[0].fingerprint["preprocessing.0.resize_mode"] == "squash"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("ViT-B-33,weights=openai", ModelError, "open_clip has no model 'ViT-B-33'; did you mean 'ViT-B-32'?"),
        ("ViT-B-32", ModelError, "names the weights of open_clip:ViT-B-32, or a file; received None; choose one of openai, "),
        ("ViT-B-32,weights=laion3b", ModelError, "received 'laion3b'; choose one of openai, "),
        ("{folder},weights=openai", UsageError, "has weights of its own; received weights='openai'; leave it out"),
        ("laion/no-such-model", ModelError, "open_clip: needs weights on the hub, or a folder .* 'laion/no-such-model' could not"),
        ("{folder},reads=sound", UsageError, "reads= is image or text, the part of an input that a model embeds"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_loaded(folder, name, error, message):
    with pytest.raises(error, match=message):
        load_backbone(f"open_clip:{name.format(folder=folder)}")


def test_a_folder_without_weights_is_an_error(folder, tmp_path):
    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    with pytest.raises(
        ModelError, match="needs weights on the hub, or a folder that holds open_clip_config.json and weights"
    ):
        load_backbone(f"open_clip:{tmp_path},reads=image")


def test_it_is_no_student(folder):
    with pytest.raises(UsageError, match="open_clip: models are teachers; received .* choose a model of timm: or hf:"):
        load_backbone(f"open_clip:{folder},reads=image", role="student")
