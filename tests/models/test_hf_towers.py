"""Models of the CLIP and SigLIP families."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import aft
from aft.data import Dataset
from aft.errors import ModelError, UsageError
from aft.extraction import extract_all
from aft.models import load_backbone

WORDS = ["a lovely film", "a dull and cold film number 3", "a film"]


def pictures(count):
    """Small random pictures."""
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for _ in range(count)]


def features(backbone, inputs):
    """Features of inputs in one batch."""
    with torch.inference_mode():
        return backbone(backbone.collate(backbone.encode(inputs)))


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_a_tower_gives_the_embedding_of_transformers(towers, name):
    import transformers

    whole = transformers.AutoModel.from_pretrained(towers / name).eval()
    image = load_backbone(f"hf:{towers / name},reads=image")
    text = load_backbone(f"hf:{towers / name},reads=text")
    assert image.size() + text.size() < sum(parameter.numel() for parameter in whole.parameters())
    assert image.images.mean == (0.5, 0.5, 0.5)
    seen = pictures(3)
    own = image.collate(image.encode(seen))["image"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(towers / name)
    padding = {"padding": "max_length", "max_length": 24} if name == "siglip" else {"padding": True}
    tokens = tokenizer(WORDS, **padding, return_tensors="pt")
    tokens.pop("token_type_ids")
    if name == "siglip":
        tokens.pop("attention_mask")  # SigLIP was trained without one
    with torch.inference_mode():
        images = whole.get_image_features(pixel_values=own).pooler_output
        texts = whole.get_text_features(**tokens).pooler_output
    assert torch.allclose(features(image, seen), images, atol=1e-5)
    assert torch.allclose(features(text, WORDS), texts, atol=1e-5)
    assert torch.allclose(features(text, WORDS[:1]), texts[:1], atol=1e-5)  # whatever is in the batch
    # Both, for a teacher of pairs.
    both = load_backbone(f"hf:{towers / name}", example=(seen[0], WORDS[0]))
    both.read(("image", "text"), "teacher")
    u, v = F.normalize(images, dim=1), F.normalize(texts, dim=1)
    expected = torch.cat([u, v, u * v], dim=1)
    assert both.dim == expected.shape[1]
    assert torch.allclose(features(both, list(zip(seen, WORDS, strict=True))), expected, atol=1e-5)


def test_the_part_is_chosen_by_the_inputs(towers):
    assert load_backbone(f"hf:{towers / 'clip'}", example="a text").accepts[0] == ("text",)
    assert load_backbone(f"hf:{towers / 'clip'}", example=pictures(1)[0]).accepts == (("image",),)


@pytest.mark.parametrize(
    ("options", "role", "message"),
    [
        (
            ",reads=sound",
            "teacher",
            "reads= is image or text, the part of an input that a model embeds; received 'sound'",
        ),
        ("", "student", "a student of both names the model twice: hf:.*,reads=image\\*hf:"),
        (",reads=text,pooling=mean", "teacher", "gives its embedding; received the option pooling=mean; leave it out"),
    ],
)
def test_options_that_do_not_fit(towers, options, role, message):
    with pytest.raises(UsageError, match=message):
        load_backbone(f"hf:{towers / 'clip'}{options}", role=role, example=(pictures(1)[0], "a text"))


def test_a_model_for_images_of_any_shape_is_not_taken(towers):
    with pytest.raises(ModelError, match="takes images of any shape .NaFlex.; choose the same model for one size"):
        load_backbone(f"hf:{towers / 'siglip2'},reads=text")


def test_other_models_have_no_parts_to_read(folders):
    with pytest.raises(UsageError, match="chooses between the image and the text of a model that embeds both"):
        load_backbone(f"hf:{folders / 'bert'},reads=text")


def test_a_teacher_of_images_does_not_take_texts_by_mistake(towers):
    backbone = load_backbone(f"hf:{towers / 'clip'},reads=image")
    with pytest.raises(ModelError, match="takes image, and the dataset holds text inputs"):
        backbone.read(("text",), "teacher")


def test_towers_teach_and_learn(towers, tmp_path):
    inputs = list(zip(pictures(60), [WORDS[n % 3] for n in range(60)], strict=True))
    dataset = Dataset.from_arrays(inputs, ["yes" if n % 3 else "no" for n in range(60)])
    clip, siglip = towers / "clip", towers / "siglip"
    teachers = {"both": f"hf:{clip}", "image": f"hf:{clip},reads=image", "text": f"hf:{siglip},reads=text"}
    stores = extract_all(dataset, teachers, out=tmp_path / "features", progress=False)
    assert [store.dim for store in stores] == [18, 6, 8]
    assert [store.fingerprint.get("reads") for store in stores] == [None, "image", "text"]
    student = f"hf:{clip},reads=image*hf:{siglip},reads=text"
    run = aft.train(
        dataset, student, stores, steps=4, lr=1e-3, weighting="fixed", beta=1.0, out=tmp_path / "run", progress=False
    )
    model = aft.load(run)
    assert len(model.predict(inputs[:2])) == 2
    again = aft.train(
        dataset, student, stores, steps=4, lr=1e-3, weighting="fixed", beta=1.0, out=tmp_path / "again", progress=False
    )
    assert again.error == run.error
    assert not any("logit_scale" in name for name, _ in model.student.named_parameters())  # not of the towers
