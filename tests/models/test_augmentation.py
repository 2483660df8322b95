"""Random augmentation of training images."""

import numpy as np
import pytest
import torch
from PIL import Image

import aft
from aft.data import Dataset
from aft.errors import UsageError
from aft.models import kept_random_state, load_backbone, seed_all
from aft.models._augmentation import ImageAugmentation
from aft.models._image import ImagePreprocessing
from aft.runs import TrainConfig
from aft.training import Problem
from aft.training._sampler import Step

STUDENT = "timm:resnet10t,weights=random,image_size=32"


def gradient():
    """A picture whose red grows to the right and whose green grows downwards."""
    across, down = np.meshgrid(np.arange(0, 240, 5), np.arange(0, 240, 5))
    return Image.fromarray(np.stack([across, down, np.full_like(down, 90)], axis=2).astype(np.uint8))


def test_an_augmented_image_is_a_crop_of_the_image():
    images = ImagePreprocessing(size=32, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1))
    augment, picture = ImageAugmentation(images), gradient()
    with kept_random_state():
        seed_all(0)
        made = [augment(picture) for _ in range(40)]
    flipped = 0
    for one in made:
        assert one.shape == (3, 32, 32)
        assert one.dtype == torch.float32
        assert 0 <= float(one.min()) <= float(one.max()) <= 1
        red, green = one[0].mean(dim=0), one[1].mean(dim=1)
        assert green[-1] > green[0]  # never upside down
        flipped += bool(red[-1] < red[0])
    assert 8 < flipped < 32
    assert len({float(one.mean()) for one in made}) == 40


def test_augmentation_draws_from_the_seeded_generators_alone():
    augment, picture = ImageAugmentation(ImagePreprocessing(size=16)), gradient()
    results = []
    for seed in (1, 1, 2):
        with kept_random_state():
            seed_all(seed)
            results.append(augment(picture))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_training_images_are_augmented_and_validation_images_are_not(pictures):
    data = Dataset.from_folder(pictures)
    plain = Problem.build(data, STUDENT, [], TrainConfig())
    augmented = Problem.build(data, STUDENT, [], TrainConfig(augment="clean"))
    one, other = Step([3, 3, 5], (0, 7)), Step([3, 3, 5], (0, 8))
    first = augmented.samples[one]["inputs"]["image"]
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first, augmented.samples[one]["inputs"]["image"])
    assert not torch.equal(first, augmented.samples[other]["inputs"]["image"])
    clean = plain.samples[one]["inputs"]["image"]
    assert torch.equal(clean[0], clean[1])
    assert torch.equal(augmented.samples.encoded([3])[0], clean[0])


def test_a_run_with_augmentation_predicts_without(pictures, tmp_path):
    settings = {"method": "finetune", "beta": 0.0, "steps": 4, "batch_size": 8, "progress": False}
    data = Dataset.from_folder(pictures)
    run = aft.train(data, STUDENT, out=tmp_path / "r", augment="clean", **settings)
    model = aft.load(run.path)
    assert np.array_equal(model.logits(data.inputs), model.logits(data.inputs))
    again = aft.train(data, STUDENT, out=tmp_path / "s", augment="clean", **settings)
    assert again.result.weights_sha256 == run.result.weights_sha256
    plain = aft.train(data, STUDENT, out=tmp_path / "t", **settings)
    assert plain.result.weights_sha256 != run.result.weights_sha256


def test_what_cannot_be_augmented_says_so(dataset):
    with pytest.raises(UsageError, match="augment= is for image students by name; received it for aft:static"):
        Problem.build(dataset, "aft:static", [], TrainConfig(augment="clean"))
    with pytest.raises(UsageError, match="pass train_preprocess="):
        Problem.build(dataset, "python:tests.conftest:bag_of_letters", [], TrainConfig(augment="clean"))


def test_vision_transformers_augment_too(folders):
    backbone = load_backbone(f"hf:{folders / 'vit'}", role="student")
    assert not backbone.augments
    backbone.enable_augmentation()
    assert backbone.augments
    assert backbone.augment(gradient()).shape == backbone.images.shape
