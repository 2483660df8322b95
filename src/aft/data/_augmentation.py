"""Random augmentation of raw inputs, before any model preprocesses them: teacher and student can see the same picture or text.

Random numbers come from a generator that the caller seeds, by `random.Random.random` alone: Python promises that these numbers
never change, whatever its version. Equal seeds therefore give equal augmentations anywhere.
"""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from aft.data._modality import IMAGE, IMAGE_TEXT, TEXT, TEXT_PAIR, Modality, modality_name
from aft.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

#: Smallest share of an image's area that a crop keeps, its most extreme shape, and how far colours vary.
SMALLEST_CROP, SHAPE, JITTER = 0.35, 4 / 3, 0.2
#: Longest side of an augmented image in pixels: larger ones would cost more than they show.
LARGEST_SIDE = 640
#: Smallest share of a text's words that a span keeps, and the probability that one of its words is dropped.
SMALLEST_SPAN, DROPPED = 0.5, 0.1
#: What is done to each modality, for fingerprints. The number grows with any change of the result.
NAMES: dict[Modality, str] = {
    IMAGE: "crop-flip-colour-1", TEXT: "span-dropout-1", TEXT_PAIR: "span-dropout-1", IMAGE_TEXT: "crop-flip-colour-1",
}  # fmt: skip


def augmentation_of(modality: Modality) -> str:
    """The name of the augmentation of a modality.

    Args:
        modality: Modality of the inputs.

    Returns:
        Its name and version, for fingerprints.

    Raises:
        UsageError: There is none.
    """
    if modality not in NAMES:
        raise UsageError(
            f"augmentation is for images and texts; received inputs of the modality {modality_name(modality)}; leave it out, or "
            "pass a module with train_preprocess="
        )
    return NAMES[modality]


def augment(value: Any, modality: Modality, generator: Random) -> Any:
    """Change a raw input at random, such that its label usually remains.

    Args:
        value: The input: an RGB image, a string, a pair of strings, or an image and a string.
        modality: Its modality.
        generator: The random numbers.

    Returns:
        An input of the same modality. Of an image: a crop of 35 to 100 % of its area, made square, flipped in half of the cases,
        with other brightness, contrast and saturation. Of a text: a span of 50 to 100 % of its words, of which a tenth is left out.
        A text that belongs to an image stays as it is: it may say what a part of it did not.
    """
    if modality == IMAGE_TEXT:
        return _augment_image(value[0], generator.random), value[1]
    if modality == IMAGE:
        return _augment_image(value, generator.random)
    if modality == TEXT_PAIR:
        return tuple(_augment_text(part, generator.random) for part in value)
    return _augment_text(value, generator.random)


def _augment_image(image: "Image", uniform: Callable[[], float]) -> "Image":
    from PIL import Image, ImageEnhance, ImageOps

    left, upper, width, height = _crop(image.size, uniform)
    side = min(LARGEST_SIDE, max(1, round(math.sqrt(width * height))))
    box = (left, upper, left + width, upper + height)
    image = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
    if uniform() < 0.5:
        image = ImageOps.mirror(image)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(1 + JITTER * (2 * uniform() - 1))
    return image


def _crop(size: tuple[int, int], uniform: Callable[[], float]) -> tuple[int, int, int, int]:
    """Left, upper, width and height of a random part of an image."""
    width, height = size
    for _ in range(10):
        area = width * height * (SMALLEST_CROP + (1 - SMALLEST_CROP) * uniform())
        shape = math.exp(math.log(SHAPE) * (2 * uniform() - 1))
        across, down = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < across <= width and 0 < down <= height:
            return (
                math.floor(uniform() * (width - across + 1)),
                math.floor(uniform() * (height - down + 1)),
                across,
                down,
            )
    return 0, 0, width, height  # very long or very small images


def _augment_text(text: str, uniform: Callable[[], float]) -> str:
    words = text.split()
    kept = max(1, round(len(words) * (SMALLEST_SPAN + (1 - SMALLEST_SPAN) * uniform())))
    start = math.floor(uniform() * (len(words) - kept + 1))
    return " ".join(_drop(words[start : start + kept], uniform))


def _drop(words: Sequence[str], uniform: Callable[[], float]) -> Sequence[str]:
    """Leave out some words, but never all."""
    return [word for word in words if uniform() >= DROPPED] or words[:1]
