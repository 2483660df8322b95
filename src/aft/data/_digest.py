"""Digests of raw inputs, by which a store recognises that an input has changed."""

import hashlib
from typing import TYPE_CHECKING

from aft.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def digest_bytes(*parts: bytes) -> str:
    """A 128-bit digest in hexadecimal. The lengths are hashed too, so that ``ab, c`` and ``a, bc`` differ."""
    state = hashlib.blake2b(digest_size=16, person=b"aft-input")
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def joined_digest(*digests: str) -> str:
    """The digest of an input of several parts, from those of its parts."""
    return digest_bytes(*(digest.encode() for digest in digests))


def pixel_digest(image: "Image") -> str:
    return digest_bytes(repr(image.size).encode(), image.tobytes())


def text_digest(*parts: str) -> str:
    return digest_bytes(*map(text_bytes, parts))


def text_bytes(text: str) -> bytes:
    """A text as bytes, if it can be used."""
    if not text or text.isspace():
        raise DataError("the text is empty")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError("the text holds half of a surrogate pair, which is no character") from error
