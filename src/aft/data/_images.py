"""Images as models see them: decoded, upright, RGB and without transparency."""

import importlib
import io
import math
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from aft.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image


#: Suffixes of images. Files with others are images if their first bytes say so.
IMAGE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .bmp .gif .tif .tiff .ppm .pgm .avif .heic .heif .jp2".split()  # noqa: SIM905
)
#: First bytes of PNG, JPEG, GIF, TIFF, PPM and JPEG 2000 files.
SIGNATURES = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"P5\n", b"P6\n", b"\x00\x00\x00\x0cjP  ",
)  # fmt: skip
#: Last bytes of PNG and JPEG files.
PNG_END, JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"
#: Brands of HEIC files, which Pillow cannot decode by itself.
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


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
    _register_heif(raw)
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
    """Convert an image to RGB; transparent pixels become white, 16-bit and floating-point greys 8-bit."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode == "F":
        image = _scale_floats(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def is_image(path: Path) -> bool:
    """Whether a file is an image, by its suffix or else by its first bytes."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    with path.open("rb") as file:
        head = file.read(16)
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    bmp = head[:2] == b"BM" and head[6:10] == bytes(4)
    return head.startswith(SIGNATURES) or webp or bmp or head[4:8] == b"ftyp"


def holds_several_images(raw: bytes) -> bool:
    """Whether bytes are several PNG or JPEG files, one after the other; of these, Pillow would decode the first."""
    from PIL import Image

    if not any(end + start in raw for end in (PNG_END, JPEG_END) for start in SIGNATURES[:2]):
        return False
    with Image.open(io.BytesIO(raw)) as image:
        return image.format != "MPO"  # a camera's second view, in the file's own format


def _scale_floats(image: "Image") -> "Image":
    """Map grey values in 0..1, 0..255 or 0..65535 to 8 bits."""
    low, high = image.getextrema()
    if not (isinstance(low, float | int) and isinstance(high, float | int) and math.isfinite(low + high)):
        raise DataError("an image has finite values")
    scale = 255.0 if high <= 1 else 1.0 if high <= 255 else 1 / 256
    return image.point(lambda value: value * scale + 0).convert("L")


def _register_heif(raw: bytes) -> None:
    """Let Pillow decode HEIC images with pillow-heif, if it is installed."""
    if raw[4:8] != b"ftyp" or raw[8:12] not in HEIF_BRANDS:
        return
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise DataError(
            "a HEIC image needs pillow-heif, which is not installed; run pip install pillow-heif, or convert the image"
        ) from error
    heif.register_heif_opener()
