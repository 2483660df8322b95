"""The n-grams of texts that a student knows, with their TF-IDF weights."""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from aft.preprocessing._hashing import GROUP_BITS, Keys, hash_ngrams
from aft.preprocessing._key_index import KeyIndex
from aft.preprocessing._tokens import LONGEST_TEXT, clip

#: Texts whose n-grams are computed together.
CHUNK = 4096
#: File of the n-grams.
FILE = "ngrams.npz"


class Ngrams(NamedTuple):
    """An encoded text.

    Attributes:
        rows: Rows of the table, ``(n,)``.
        values: TF-IDF weights; those of the words of a text, and those of its character n-grams, have norm 1.
    """

    rows: NDArray[np.int32]
    values: NDArray[np.float32]


class NgramTable:
    """The known n-grams.

    Attributes:
        keys: Their hashes, ascending, ``(V,)``.
        idf: Their inverse document frequencies, ``(V,)``.
    """

    def __init__(self, keys: Keys, idf: NDArray[np.float32]) -> None:
        self.keys, self.idf = keys, idf
        self._index = KeyIndex(keys)

    @classmethod
    def of(cls, texts: Sequence[Any], most: int) -> "NgramTable":
        """Take n-grams from texts.

        Args:
            texts: Texts, or pairs of texts.
            most: The most n-grams.

        Returns:
            The table; an empty one if there is no text.
        """
        found = [hash_ngrams(_columns(texts[start : start + CHUNK])).keys for start in range(0, len(texts), CHUNK)]
        keys, frequency = np.unique(np.concatenate([np.empty(0, np.uint32), *found]), return_counts=True)
        # Characters that occur in one text only say little, and are many. Words and pairs of words are worth keeping.
        words = keys % 2 == 0
        frequent = np.flatnonzero((frequency > 1) | words)
        frequent = frequent[np.argsort(-frequency[frequent], kind="stable")][:most]
        frequent.sort()
        keys, frequency = keys[frequent], frequency[frequent]
        return cls(keys, (np.log((1 + len(texts)) / (1 + frequency)) + 1).astype(np.float32))

    def __len__(self) -> int:
        """Number of n-grams V."""
        return len(self.keys)

    def __call__(self, inputs: Sequence[Any]) -> list[Ngrams]:
        """Look up the n-grams of texts, or of pairs of texts. Unknown ones are left out."""
        encoded: list[Ngrams] = []
        for start in range(0, len(inputs), CHUNK):
            encoded += self._encode(inputs[start : start + CHUNK])
        return encoded

    def _encode(self, inputs: Sequence[Any]) -> list[Ngrams]:
        found = hash_ngrams(_columns(inputs))
        place = self._index.places(found.keys)
        known = np.flatnonzero(self.keys[place] == found.keys)
        found, place = found.take(known), place[known]
        values = (1 + np.log(found.counts)) * self.idf[place]
        owner = (found.texts << GROUP_BITS) + found.groups
        norms = np.sqrt(np.bincount(owner, values**2))
        values, rows = (values / norms[owner]).astype(np.float32), place.astype(np.int32)
        ends = np.searchsorted(found.texts, np.arange(1, len(inputs) + 1)).tolist()
        return [Ngrams(rows[start:end], values[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def save(self, directory: Path) -> None:
        """Write the table into a directory."""
        np.savez(directory / FILE, keys=self.keys, idf=self.idf)

    @classmethod
    def load(cls, directory: Path) -> "NgramTable | None":
        """Read the table of a directory; None if it is missing or damaged."""
        try:
            with (directory / FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return cls(arrays["keys"], arrays["idf"])
        except (OSError, KeyError, ValueError, BadZipFile, zlib.error):
            return None

    def digest(self) -> str:
        """SHA-256 of the n-grams and their weights."""
        return hashlib.sha256(self.keys.tobytes() + self.idf.tobytes()).hexdigest()


def pad_ngrams(encoded: Sequence[Ngrams]) -> dict[str, NDArray[Any]]:
    """Pad texts on the right, with n-grams of weight zero.

    Args:
        encoded: The texts.

    Returns:
        ``rows`` and ``values``, both ``(B, n)``.
    """
    longest = max(1, *(len(text.rows) for text in encoded))
    rows = np.zeros((len(encoded), longest), dtype=np.int64)
    values = np.zeros((len(encoded), longest), dtype=np.float32)
    for place, text in enumerate(encoded):
        rows[place, : len(text.rows)] = text.rows
        values[place, : len(text.rows)] = text.values
    return {"rows": rows, "values": values}


def _columns(inputs: Sequence[Any]) -> list[list[str]]:
    """Texts, or the first and the second texts of pairs, without what is too long to be read."""
    if isinstance(inputs[0], str):
        return [[clip(text, LONGEST_TEXT) for text in inputs]]
    return [[clip(pair[side], LONGEST_TEXT) for pair in inputs] for side in (0, 1)]
