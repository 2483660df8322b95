"""The inputs of a request: JSON values and uploaded files as raw inputs."""

import base64
import binascii
import io
from collections.abc import Sequence
from typing import Any

from aft.data import ImageBytes, Modality, check_inputs
from aft.errors import AftError, DataError

#: Formats of uploaded images: none of them is a program, as PostScript is.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
#: Most pixels of an image, and of all images of a request.
MOST_PIXELS, TOTAL_PIXELS = 25_000_000, 100_000_000


def from_json(values: Any, modality: Modality) -> list[Any]:
    """Turn the ``inputs`` of a JSON request into raw inputs.

    Args:
        values: A list: of texts; of pairs of texts; of images, each in Base64; or of objects with ``image`` and ``text``.
        modality: What the model takes.

    Returns:
        The inputs, checked.

    Raises:
        DataError: They are something else, or one cannot be used; its number is named.
    """
    if not isinstance(values, list) or not values:
        raise DataError(f'a request holds a list of inputs; received {_described(values)}; send {{"inputs": [...]}}')
    budget = _Budget()
    return [_checked(number, value, modality, budget) for number, value in enumerate(values)]


def _described(values: Any) -> str:
    """What came instead of a list of inputs."""
    if isinstance(values, dict) and values:
        return f"an object with {', '.join(repr(str(key)[:40]) for key in list(values)[:3])} and without 'inputs'"
    kinds = {str: "a string", list: "an empty list", int: "a number", float: "a number", bool: "true or false"}
    return kinds.get(type(values), "none")


def from_files(images: Sequence[bytes], texts: Sequence[str], modality: Modality) -> list[Any]:
    """Turn uploaded files, and texts that belong to them, into raw inputs.

    Args:
        images: The files.
        texts: One text for each, where the model takes both.
        modality: What the model takes.

    Returns:
        The inputs, checked.

    Raises:
        DataError: The model takes other inputs, numbers differ, or a file cannot be used.
    """
    if "image" not in modality:
        raise DataError('this model takes texts; received files; send them as JSON, {"inputs": [...]}')
    wanted = len(images) if "text" in modality else 0
    if not images or len(texts) != wanted:
        raise DataError(
            f"a request holds files named images{' and a text named texts for each' if wanted else ''}; received {len(images)} files and "
            f"{len(texts)} texts; correct it"
        )
    made: list[Any] = []
    budget = _Budget()
    for number, image in enumerate(images):
        try:
            picture = budget.decoded(image)
            made.append((picture, texts[number]) if wanted else picture)
        except AftError as error:
            raise DataError(f"input {number} cannot be used: {error}; correct it, or leave it out") from error
    return check_inputs(made, modality)


def _checked(number: int, value: Any, modality: Modality, budget: "_Budget") -> Any:
    try:
        return check_inputs([_value(value, modality, budget)], modality)[0]
    except AftError as error:
        reason = error.__cause__ if isinstance(error.__cause__, AftError) else error
        raise DataError(f"input {number} cannot be used: {reason}; correct it, or leave it out") from error


def _value(value: Any, modality: Modality, budget: "_Budget") -> Any:
    if modality == ("image", "text"):
        if not isinstance(value, dict) or not isinstance(value.get("text"), str):
            raise DataError("it is not an object with an image and a text")
        return _image(value.get("image"), budget), value["text"]
    if modality == ("image",):
        return _image(value.get("image") if isinstance(value, dict) else value, budget)
    if modality == ("text", "text"):
        if not isinstance(value, list) or len(value) != 2:
            raise DataError("it is not a pair of texts")
        return tuple(value)
    if not isinstance(value, str):
        raise DataError("it is not a text")
    return value


def _image(value: Any, budget: "_Budget") -> Any:
    """An image in Base64. A string is never taken for a path: it would let a client read files of the server's."""
    if not isinstance(value, str):
        raise DataError("it is not an image in Base64")
    try:
        raw = base64.b64decode(value.partition(",")[2] if value.startswith("data:") else value, validate=True)
    except binascii.Error as error:
        raise DataError("it is not an image in Base64") from error
    return budget.decoded(raw)


class _Budget:
    """What the images of a request may unpack to: a file of a few kilobytes can declare gigabytes of pixels."""

    def __init__(self) -> None:
        self._left = TOTAL_PIXELS

    def decoded(self, raw: bytes) -> Any:
        """Decode an image.

        Raises:
            DataError: It is no picture of a common format, or is too large.
        """
        from PIL import Image

        try:
            with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
                pixels = image.width * image.height
        except Exception as error:  # Pillow raises errors of many kinds for what is no image
            raise DataError(f"it is not an image of one of the formats {', '.join(FORMATS)}") from error
        self._left -= pixels
        if pixels > MOST_PIXELS or self._left < 0:
            raise DataError(
                f"an image has at most {MOST_PIXELS:,} pixels, and all of a request {TOTAL_PIXELS:,}; this one has {pixels:,}"
            )
        return ImageBytes([raw])[0]
