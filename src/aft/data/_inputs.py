"""The raw inputs of a dataset, read one at a time."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aft.data._images import decode_image, to_rgb
from aft.data._modality import ARRAY, IMAGE, IMAGE_TEXT, TEXT, TEXT_PAIR, Modality, is_text, modality_name
from aft.data._strings import Digests, Strings
from aft.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


#: In place of the digest of an input that cannot be used.
NO_DIGEST = "0" * 32


class Inputs(ABC):
    """A sequence of inputs of one modality.

    Attributes:
        modality: What each input consists of: ``("text",)``, ``("text", "text")``, ``("image",)``, ``("array",)`` or
            ``("image", "text")``.
    """

    modality: Modality

    #: Whether inputs are read faster by several threads. Texts are read too quickly to be worth a thread, and other code may not
    #: bear it.
    threaded = False

    @abstractmethod
    def __len__(self) -> int:
        """Number of inputs."""

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """One input: a string, a tuple of two strings, an RGB image, an array, or a tuple of an image and a string."""

    @abstractmethod
    def examine(self, index: int) -> str:
        """Read an input completely and return its digest.

        Raises:
            DataError: The input cannot be used. The message gives the reason without the sample's id.
        """

    @abstractmethod
    def subset(self, indices: Sequence[int]) -> "Inputs":
        """The inputs at some positions, in the given order."""

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    @property
    def sort_by_length(self) -> bool:
        """Whether encoded inputs are small and vary in length, as those of texts do."""
        return is_text(self.modality)

    def texts(self, positions: Iterable[int]) -> list[str]:
        """All texts of some samples, for learning a vocabulary.

        Args:
            positions: Positions of the samples.

        Returns:
            The texts in the order of the samples; empty for a modality without text.
        """
        if "text" not in self.modality:
            return []
        found: list[str] = []
        for position in positions:
            value = self[position]
            parts = value if len(self.modality) > 1 else (value,)
            found += [part for part, name in zip(parts, self.modality, strict=True) if name == "text"]
        return found

    def examine_all(self, progress: Callable[[int], object] | None = None) -> tuple[Digests, dict[int, str]]:
        """Read every input completely.

        Args:
            progress: Called with a number of inputs whenever so many more have been read.

        Returns:
            The digest of each input, zero where it cannot be used; and for each of these positions the reason.
        """
        reasons: dict[int, str] = {}

        def digests(found: Iterable[tuple[str, str | None]]) -> Iterator[str]:
            for index, (digest, reason) in enumerate(found):
                if reason is not None:
                    reasons[index] = reason
                if progress is not None:
                    progress(1)
                yield digest

        with _mapper(self.threaded) as mapped:
            return Digests.of(digests(mapped(self._try_examine, range(len(self))))), reasons

    def _try_examine(self, index: int) -> tuple[str, str | None]:
        try:
            return self.examine(index), None
        except DataError as error:
            return NO_DIGEST, str(error)


class Texts(Inputs):
    """Strings: one per sample, or two for tasks on pairs."""

    def __init__(self, texts: Iterable[str], second: Iterable[str] | None = None) -> None:
        self._texts = Strings.of(texts)
        self._second = None if second is None else Strings.of(second)
        self.modality = TEXT if second is None else TEXT_PAIR

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> str | tuple[str, str]:
        return self._texts[index] if self._second is None else (self._texts[index], self._second[index])

    def examine(self, index: int) -> str:
        if self._second is None:
            return _text_digest(self._texts[index])
        return _text_digest(self._texts[index], self._second[index])

    def subset(self, indices: Sequence[int]) -> "Texts":
        return Texts(self._texts.take(indices), None if self._second is None else self._second.take(indices))


class _EncodedImages(Inputs):
    """Encoded images, each decoded when it is accessed."""

    modality = IMAGE
    threaded = True  # Pillow releases the interpreter's lock while it decodes

    @abstractmethod
    def _read(self, index: int) -> bytes:
        """The encoded image."""

    def __getitem__(self, index: int) -> "Image":
        return decode_image(self._read(index))

    def examine(self, index: int) -> str:
        raw = self._read(index)
        decode_image(raw)
        return digest_bytes(raw)


class ImageBytes(_EncodedImages):
    """Encoded images in memory, as a table contains them."""

    def __init__(self, images: Sequence[bytes]) -> None:
        self._images = list(images)

    def __len__(self) -> int:
        return len(self._images)

    def subset(self, indices: Sequence[int]) -> "ImageBytes":
        return ImageBytes([self._images[i] for i in indices])

    def _read(self, index: int) -> bytes:
        if not self._images[index]:
            raise DataError("the image is missing")
        return self._images[index]


class ImageFiles(_EncodedImages):
    """Image files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    def subset(self, indices: Sequence[int]) -> "ImageFiles":
        return ImageFiles([self._paths[i] for i in indices])

    def _read(self, index: int) -> bytes:
        try:
            return self._paths[index].read_bytes()
        except OSError as error:
            raise DataError(f"the image file {str(self._paths[index])!r} cannot be read ({error.strerror})") from error


class ImageTexts(Inputs):
    """Images, each with a text. An image may stand in several samples.

    Args:
        images: The images.
        texts: As many texts.
    """

    modality = IMAGE_TEXT
    threaded = True

    def __init__(self, images: Inputs, texts: Texts) -> None:
        self._images, self._texts = images, texts

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, str]:
        return self._images[index], str(self._texts[index])

    def examine(self, index: int) -> str:
        return _joined_digest(self._images.examine(index), self._texts.examine(index))

    def subset(self, indices: Sequence[int]) -> "ImageTexts":
        return ImageTexts(self._images.subset(indices), self._texts.subset(indices))


class Items(Inputs):
    """The inputs of any map-style dataset or array, fetched one at a time."""

    def __init__(self, fetch: Callable[[int], Any], indices: Sequence[int], modality: Modality) -> None:
        self._fetch = fetch
        self._indices = indices
        self.modality = modality

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Any:
        value = self._fetch(self._indices[index])
        found = modality_of(value)
        if self.modality == ARRAY and found in (ARRAY, IMAGE):
            return as_array(value)
        if found != self.modality:
            raise DataError(
                f"it is of the modality {modality_name(found)}, and the first input of the modality {modality_name(self.modality)}"
            )
        if self.modality == IMAGE:
            return to_rgb(value)
        if self.modality == IMAGE_TEXT:
            return to_rgb(value[0]), value[1]
        return tuple(value) if self.modality == TEXT_PAIR else value

    def examine(self, index: int) -> str:
        value = self[index]
        if self.modality == ARRAY:
            if not np.isfinite(value).all():
                raise DataError("the array holds NaN or infinity")
            return digest_bytes(str(value.dtype).encode(), repr(value.shape).encode(), value.tobytes())
        if self.modality == IMAGE:
            return _pixel_digest(value)
        if self.modality == IMAGE_TEXT:
            return _joined_digest(_pixel_digest(value[0]), _text_digest(value[1]))
        return _text_digest(*value) if self.modality == TEXT_PAIR else _text_digest(value)

    def subset(self, indices: Sequence[int]) -> "Items":
        return Items(self._fetch, [self._indices[i] for i in indices], self.modality)


def modality_of(value: Any) -> Modality:
    """Recognise the modality of a raw input.

    Args:
        value: An input of a map-style dataset.

    Returns:
        Its modality.

    Raises:
        DataError: The input has no known modality.
    """
    if isinstance(value, str):
        return TEXT
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return TEXT_PAIR
    if _is_image(value):
        return IMAGE
    if isinstance(value, tuple | list) and len(value) == 2 and _is_image(value[0]) and isinstance(value[1], str):
        return IMAGE_TEXT
    if hasattr(value, "__array__") or isinstance(value, list | int | float):
        return ARRAY
    raise DataError(
        f"an input is a string, two strings, a PIL image, an array, or an image and a string; received {type(value).__name__}; "
        "convert it"
    )


def digest_of(value: Any) -> str:
    """The digest of a raw input that belongs to no dataset.

    Args:
        value: A string, an RGB image, or any other input that a dataset may hold.
    """
    return Items(lambda _: value, [0], modality_of(value)).examine(0)


def _is_image(value: Any) -> bool:
    """Whether a value is an image of PIL."""
    return hasattr(value, "convert") and hasattr(value, "size")


#: What a pair of texts looks like in Python.
PAIR_HINT = ", and a pair is a tuple of two strings"


def check_inputs(values: Sequence[Any], modality: Modality, start: int = 0) -> list[Any]:
    """Check and convert raw inputs that belong to no dataset, as `Inputs` does for those of a dataset.

    Args:
        values: Inputs. An image may also be the path of a file.
        modality: What they must be.
        start: Number of the first one, for messages.

    Returns:
        Strings, tuples of two strings, RGB images or arrays.

    Raises:
        DataError: An input of another modality, or one that cannot be used; its number is named.
    """
    checked: list[Any] = []
    for number, value in enumerate(values, start):
        try:
            checked.append(_checked(value, modality))
        except DataError as error:
            raise DataError(
                f"the model takes inputs of the modality {modality_name(modality)}; input {number} cannot be used: {error}; "
                "correct it, or leave it out"
            ) from error
    return checked


def _checked(value: Any, modality: Modality) -> Any:
    """One input as `check_inputs` returns it."""
    if modality == TEXT and isinstance(value, str):
        _checked_text(value)
        return value
    if modality == IMAGE and isinstance(value, str | Path):
        return ImageFiles([Path(value)])[0]
    if modality == IMAGE_TEXT and isinstance(value, tuple | list) and len(value) == 2:
        return _checked(value[0], IMAGE), _checked(value[1], TEXT)
    found = modality_of(value)
    if found != modality and not (modality == ARRAY and found == IMAGE):
        raise DataError(f"it is of the modality {modality_name(found)}" + PAIR_HINT * (modality == TEXT_PAIR))
    item = Items(lambda _: value, [0], modality)
    item.examine(0)
    return item[0]


def as_array(value: Any) -> NDArray[Any]:
    """Convert an input to a numeric array: floating point values become float32, integers keep their type.

    Raises:
        DataError: The input is not numeric.
    """
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            value = value.float() if value.is_floating_point() else value  # NumPy has no bfloat16
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"an array input is one array of numbers; {str(error).splitlines()[0]:.120}") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"an array input holds numbers; received {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float32 if array.dtype.kind == "f" else array.dtype)


def digest_bytes(*parts: bytes) -> str:
    """A 128-bit digest in hexadecimal. The lengths are hashed too, so that ``ab, c`` and ``a, bc`` differ."""
    state = hashlib.blake2b(digest_size=16, person=b"aft-input")
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def _joined_digest(*digests: str) -> str:
    """The digest of an input of several parts, from those of its parts."""
    return digest_bytes(*(digest.encode() for digest in digests))


def _pixel_digest(image: "Image") -> str:
    return digest_bytes(repr(image.size).encode(), image.tobytes())


def _text_digest(*parts: str) -> str:
    return digest_bytes(*map(_checked_text, parts))


def _checked_text(text: str) -> bytes:
    """A text as bytes, if it can be used."""
    if not text or text.isspace():
        raise DataError("the text is empty")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError("the text holds half of a surrogate pair, which is no character") from error


@contextmanager
def _mapper(threaded: bool) -> Iterator[Callable[..., Iterable[Any]]]:
    """``map``, or the ``map`` of a thread pool."""
    if not threaded:
        yield map
        return
    with ThreadPoolExecutor() as pool:
        yield pool.map
