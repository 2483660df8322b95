"""Images as models see them: decoded, upright, RGB and without transparency."""

import io
import re
import warnings
from typing import TYPE_CHECKING

from aft.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image


def decode_image(raw: bytes) -> "Image":
    """Decode an image file completely and turn it upright, as its EXIF data says.

    Args:
        raw: The content of the file.

    Returns:
        An RGB image; transparent pixels are white.

    Raises:
        DataError: The file cannot be decoded, or declares so many pixels that it looks like a decompression
            bomb.
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingExtraError(
            "images need Pillow, which is not installed; run pip install 'adaptive-feature-transfer[vision]'"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)
            with Image.open(io.BytesIO(raw)) as image:
                image.load()
                return to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow's decoders raise many types of exceptions for damaged files
        # Pillow names the in-memory file by its address.
        reason = re.sub(r" ?<_io\.BytesIO[^>]*>", "", str(error))
        raise DataError(f"the image cannot be decoded ({reason})") from error


def to_rgb(image: "Image") -> "Image":
    """Convert an image to RGB; transparent pixels become white and 16-bit greys become 8-bit."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
