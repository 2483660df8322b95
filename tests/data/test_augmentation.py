"""Random augmentation of raw inputs, and the numbered views that are made of it."""

import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aft.data import ARRAY, IMAGE, TEXT, TEXT_PAIR, Views, augment
from aft.errors import UsageError

#: View 1 of a text and the size of view 1 of a picture.
PINNED = "unusually fine and quiet about two brothers who do speak"
PINNED_SIZE = (29, 29)


def gradient(width=48, height=48):
    """A picture whose red grows to the right and whose green grows downwards."""
    across, down = np.meshgrid(np.linspace(0, 240, width), np.linspace(0, 240, height))
    return Image.fromarray(np.stack([across, down, np.full_like(down, 90)], axis=2).astype(np.uint8))


def test_an_augmented_image_is_a_square_crop_that_is_never_upside_down():
    generator, flipped, areas = Random(0), 0, set()
    for _ in range(60):
        made = augment(gradient(), IMAGE, generator)
        pixels = np.asarray(made, dtype=float)
        assert made.mode == "RGB"
        assert made.width == made.height
        assert 0.34 * 48 * 48 < made.width**2 < 1.05 * 48 * 48
        red, green = pixels[..., 0].mean(axis=0), pixels[..., 1].mean(axis=1)
        assert green[-1] > green[0]
        flipped += red[-1] < red[0]
        areas.add(made.width)
    assert 15 < flipped < 45
    assert len(areas) > 8


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 2), (2000, 1500)])
def test_images_of_any_shape_are_augmented(size):
    for seed in range(5):
        made = augment(Image.new("RGB", size, (10, 200, 30)), IMAGE, Random(seed))
        assert made.width == made.height <= 640


@given(st.text(max_size=200).filter(str.strip), st.integers(0, 1000))
def test_an_augmented_text_has_some_of_the_words_in_their_order(text, seed):
    words = text.split()
    made = augment(text, TEXT, Random(seed)).split()
    assert made
    remaining = iter(words)
    assert all(word in remaining for word in made)


def test_spans_keep_half_of_a_text_and_dropout_a_tenth_fewer():
    words = [str(number) for number in range(1000)]
    made = [augment(" ".join(words), TEXT, Random(seed)).split() for seed in range(50)]
    spans = [int(one[-1]) - int(one[0]) + 1 for one in made]
    assert 480 < min(spans) < 600
    assert 900 < max(spans) <= 1000
    assert sum(map(len, made)) / sum(spans) == pytest.approx(0.9, abs=0.01)


def test_views_are_a_function_of_seed_id_and_number_alone():
    views = Views(TEXT, 5)
    text = "an unusually fine and quiet film about two brothers who do not speak to each other for years"
    made = {
        (seed, name, number): Views(TEXT, 5, seed).of(text, name, number)
        for seed in (0, 1)
        for name in ("a", "b")
        for number in range(1, 5)
    }
    assert len(set(made.values())) == len(made)
    assert views.of(text, "a", 0) == text
    # Pinned: features that were extracted with earlier versions must find the same views.
    assert views.of(text, "a", 1) == PINNED
    code = f"from aft.data import Views; print(Views(('text',), 5).of({text!r}, 'a', 1))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == PINNED
    assert Views(IMAGE, 2).of(gradient(), "\udc80", 1).size == PINNED_SIZE


def test_both_texts_of_a_pair_are_augmented():
    first, second = "one two three four five six seven eight", "nine ten eleven twelve thirteen fourteen fifteen"
    made = Views(TEXT_PAIR, 2).of((first, second), "id", 1)
    assert set(made[0].split()) < set(first.split())
    assert set(made[1].split()) < set(second.split())


def test_what_has_no_views_says_so():
    assert Views(ARRAY).fingerprint == {}
    with pytest.raises(
        UsageError, match=r"augmentation is for images and texts; received inputs of the modality array"
    ):
        Views(ARRAY, 2)
    with pytest.raises(UsageError, match=r"views= is at least 1, .* received 0 and 0"):
        Views(TEXT, 0)
