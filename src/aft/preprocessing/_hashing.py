"""Words, pairs of words and character n-grams of texts as 32-bit hashes, for many texts at once."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

U64 = np.uint64
#: Base of the polynomial hash of characters, and the multiplier of the function that spreads its bits.
BASE, SPREAD = U64(0x9E3779B97F4A7C15), U64(0xBF58476D1CE4E5B9)
#: Longer words are cut.
LONGEST_WORD = 40
#: Lengths of the character n-grams; the spaces around a word count.
CHARACTERS = (3, 4, 5)
#: The lowest bits of a hash are the number of its group.
GROUP_BITS = 2
_POWERS = np.array([pow(int(BASE), n, 1 << 64) for n in range(LONGEST_WORD + 2)], dtype=U64)
#: A word, a mark, or a character of a script that does not separate words by spaces.
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
WORD = rf"{_UNSPACED}|(?:(?!{_UNSPACED})\w)+|[^\w\s]"
_WORD = re.compile(WORD)

Keys = NDArray[np.uint32]


class Hashed(NamedTuple):
    """The different n-grams of N texts, sorted by text.

    Attributes:
        texts: Number of the text of each n-gram, ``(n,)``.
        keys: Its hash, ``(n,)``.
        counts: How often it occurs in the text, ``(n,)``.
    """

    texts: NDArray[np.int64]
    keys: Keys
    counts: NDArray[np.int64]

    @property
    def groups(self) -> NDArray[np.int64]:
        """The group of each n-gram: 0 for words and pairs of words, 1 for characters; for the second texts of pairs 2 and 3."""
        return (self.keys & ((1 << GROUP_BITS) - 1)).astype(np.int64)

    def take(self, places: NDArray[np.int64]) -> "Hashed":
        """Some of the n-grams."""
        return Hashed(self.texts[places], self.keys[places], self.counts[places])


def hash_ngrams(columns: Sequence[Sequence[str]]) -> Hashed:
    """Hash the n-grams of texts.

    Args:
        columns: N texts, fewer than 2^32; for pairs the N first and the N second ones.

    Returns:
        Each text's different n-grams.
    """
    parts = [part for number, column in enumerate(columns) for part in _column(column, 2 * number)]
    both, counts = np.unique(np.concatenate([np.empty(0, U64), *parts]), return_counts=True)
    return Hashed((both >> U64(32)).astype(np.int64), both.astype(np.uint32), counts)


def _column(texts: Sequence[str], group: int) -> Iterator[NDArray[np.uint64]]:
    """The n-grams of texts, each as the number of its text followed by its hash."""
    lists = [_WORD.findall(text.lower()) for text in texts]
    words = [word[:LONGEST_WORD] for listed in lists for word in listed]
    if not words:
        return
    text_of = np.repeat(np.arange(len(texts)), [len(listed) for listed in lists])
    spaced = f" {'  '.join(words)} "
    codes = np.frombuffer(spaced.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(U64)
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words)) + 2
    starts = np.cumsum(lengths) - lengths
    word_of = np.repeat(np.arange(len(words)), lengths)
    place = np.arange(len(codes)) - starts[word_of]
    whole = _spread(np.add.reduceat(codes * _POWERS[place], starts))
    yield _tagged(text_of, whole, group)
    together = text_of[1:] == text_of[:-1]
    yield _tagged(text_of[1:][together], _spread(whole[:-1] * BASE + whole[1:])[together], group)
    room, text_of = lengths[word_of] - place, text_of[word_of]
    hashes = np.zeros(len(codes), dtype=U64)
    for length in range(1, min(max(CHARACTERS), len(codes)) + 1):
        # Those of the last few places are incomplete; their words have no room for the n-gram.
        hashes[: len(codes) - length + 1] += codes[length - 1 :] * _POWERS[length - 1]
        if length in CHARACTERS:
            fits = room >= length
            yield _tagged(text_of[fits], _spread(hashes[fits] + U64(length)), group + 1)


def _spread(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Let every bit of a hash depend on all of its bits."""
    hashes = (hashes ^ (hashes >> U64(29))) * SPREAD
    return hashes ^ (hashes >> U64(32))


def _tagged(texts: NDArray[np.int64], hashes: NDArray[np.uint64], group: int) -> NDArray[np.uint64]:
    key = (hashes & U64(0xFFFFFFFF - ((1 << GROUP_BITS) - 1))) | U64(group)
    return (texts.astype(U64) << U64(32)) | key
