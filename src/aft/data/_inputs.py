"""The raw inputs of a dataset, read one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aft.data._digest import digest_bytes, joined_digest, pixel_digest, text_digest
from aft.data._images import decode_image, to_rgb
from aft.data._modality import ARRAY, IMAGE, IMAGE_TEXT, TEXT, TEXT_PAIR, Modality, is_text, modality_name, modality_of
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
    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> "Inputs":
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
            return text_digest(self._texts[index])
        return text_digest(self._texts[index], self._second[index])

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> "Texts":
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

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> "ImageBytes":
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

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> "ImageFiles":
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
        return joined_digest(self._images.examine(index), self._texts.examine(index))

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> "ImageTexts":
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
            return pixel_digest(value)
        if self.modality == IMAGE_TEXT:
            return joined_digest(pixel_digest(value[0]), text_digest(value[1]))
        return text_digest(*value) if self.modality == TEXT_PAIR else text_digest(value)

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> "Items":
        return Items(self._fetch, [self._indices[int(i)] for i in indices], self.modality)


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


@contextmanager
def _mapper(threaded: bool) -> Iterator[Callable[..., Iterable[Any]]]:
    """``map``, or the ``map`` of a thread pool."""
    if not threaded:
        yield map
        return
    with ThreadPoolExecutor() as pool:
        yield pool.map
