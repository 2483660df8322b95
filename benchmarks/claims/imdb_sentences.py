"""Sentences of IMDb reviews: unlabelled samples from elsewhere for the task on movie sentences.

Their labels, which are those of whole reviews, are never read. They are written as the movie sentences are: in lower case, with spaces
around punctuation marks.
"""

import re
from functools import lru_cache

import numpy as np

from aft.data import Dataset

#: Random seed of the choice of sentences.
SEED = 0
#: Words of a sentence, at least and at most, as most movie sentences have.
WORDS = range(6, 46)


@lru_cache(maxsize=1)
def sentences(count: int) -> Dataset:
    """Random sentences, each of them once; more of them include fewer."""
    reviews = Dataset.from_hub("imdb")
    found = list(dict.fromkeys(sentence for review in reviews.inputs for sentence in split(review)))
    chosen = np.random.default_rng(SEED).permutation(len(found))[:count]
    return Dataset.from_arrays([found[place] for place in chosen], ids=[f"imdb-{place}" for place in chosen])


def split(review: str) -> list[str]:
    """The sentences of a review."""
    parts = re.split(r"(?<=[.!?])\s+", review.replace("<br />", " "))
    spaced = (re.sub(r'([.,!?;:()"])', r" \1 ", part).lower().split() for part in parts)
    return [" ".join(words) for words in spaced if len(words) in WORDS]
