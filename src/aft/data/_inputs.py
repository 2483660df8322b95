"""What a model is shown: texts, pairs of texts, images, arrays; read one at a time."""

import hashlib
import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from aft.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

Kind = Literal["text", "pair", "image", "array"]


def digest_bytes(*parts: bytes) -> str:
    """A 128-bit digest of an input, in hexadecimal; lengths are hashed too, so that parts do not run together."""
    state = hashlib.blake2b(digest_size=16, person=b"aft-input")
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


class Inputs(ABC):
    """A sequence of inputs of one kind."""

    kind: Kind

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """The input: a string, two strings, an RGB image, or an array."""

    @abstractmethod
    def examine(self, index: int) -> str:
        """Read an input whole and return its digest.

        Raises:
            DataError: The input cannot be used; the reason, without the id.
        """

    @abstractmethod
    def subset(self, indices: Sequence[int]) -> "Inputs":
        """Some of them, in the order given."""


class Texts(Inputs):
    """Strings, one a sample or two."""

    def __init__(self, texts: Sequence[str], second: Sequence[str] | None = None) -> None:
        self._texts = list(texts)
        self._second = None if second is None else list(second)
        self.kind = "text" if second is None else "pair"

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> str | tuple[str, str]:
        return self._texts[index] if self._second is None else (self._texts[index], self._second[index])

    def examine(self, index: int) -> str:
        parts = [self._texts[index]] if self._second is None else [self._texts[index], self._second[index]]
        if not all(part.strip() for part in parts):
            raise DataError("the text is empty")
        return digest_bytes(*(part.encode("utf-8", "surrogatepass") for part in parts))

    def subset(self, indices: Sequence[int]) -> "Texts":
        second = None if self._second is None else [self._second[i] for i in indices]
        return Texts([self._texts[i] for i in indices], second)


class ImageFiles(Inputs):
    """Image files, decoded when asked for."""

    kind = "image"

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> "Image":
        return as_rgb(self._read(index))

    def examine(self, index: int) -> str:
        raw = self._read(index)
        as_rgb(raw)
        return digest_bytes(raw)

    def subset(self, indices: Sequence[int]) -> "ImageFiles":
        return ImageFiles([self._paths[i] for i in indices])

    def _read(self, index: int) -> bytes:
        try:
            return self._paths[index].read_bytes()
        except OSError as error:
            raise DataError(f"the image file {str(self._paths[index])!r} cannot be read ({error.strerror})") from error


class Items(Inputs):
    """The inputs of any map-style dataset, or of an array, fetched one at a time."""

    def __init__(self, fetch: Callable[[int], Any], indices: Sequence[int], kind: Kind) -> None:
        self._fetch = fetch
        self._indices = indices
        self.kind = kind

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Any:
        value = self._fetch(self._indices[index])
        if self.kind == "array":
            return as_array(value)
        if self.kind == "image":
            return flatten_alpha(value)
        return tuple(value) if self.kind == "pair" else value

    def examine(self, index: int) -> str:
        value = self[index]
        if self.kind == "array":
            if not np.isfinite(value).all():
                raise DataError("the array holds NaN or infinity")
            return digest_bytes(str(value.dtype).encode(), repr(value.shape).encode(), value.tobytes())
        if self.kind == "image":
            return digest_bytes(repr(value.size).encode(), value.tobytes())
        return (Texts([value[0]], [value[1]]) if self.kind == "pair" else Texts([value])).examine(0)

    def subset(self, indices: Sequence[int]) -> "Items":
        return Items(self._fetch, [self._indices[i] for i in indices], self.kind)


def kind_of(value: Any) -> Kind:
    """Tell what an item of a map-style dataset is.

    Raises:
        DataError: None of the kinds.
    """
    if isinstance(value, str):
        return "text"
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return "pair"
    if hasattr(value, "convert") and hasattr(value, "size"):
        return "image"
    if hasattr(value, "__array__") or isinstance(value, list | int | float):
        return "array"
    raise DataError(
        f"an input is a string, two strings, a PIL image or an array; received {type(value).__name__}; "
        "convert it in your dataset's __getitem__"
    )


def as_array(value: Any) -> NDArray[Any]:
    """A numeric array of an item: floating point as float32, integers as they are.

    Raises:
        DataError: It is not numeric.
    """
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "fiub":
        raise DataError(f"an array input holds numbers; received {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float32 if array.dtype.kind == "f" else array.dtype)


def as_rgb(raw: bytes) -> "Image":
    """Decode an image file whole, upright, over white where it is transparent.

    Raises:
        DataError: It cannot be decoded, or claims more pixels than anyone's picture has.
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
                return flatten_alpha(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow's decoders raise many kinds, and all of them mean this
        raise DataError(f"the image cannot be decoded ({error})") from error


def flatten_alpha(image: "Image") -> "Image":
    """An RGB image; transparent pixels become white, 16-bit greys become 8-bit."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
