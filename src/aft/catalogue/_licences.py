"""What the licence of a teacher's weights says about a model that learns from its features."""

from typing import NamedTuple

from aft.catalogue._known import KNOWN_MODELS

#: Licences that limit the use of what is made with a model, and how. Their texts count, not these words: the Gemma Terms of Use,
#: 1.1 (e) (iii) and 3.1; the Llama 2 Community License, 1 (b) (v) and 2; the DINOv3 License of August 2025.
_LIMITS = {
    "Gemma": "its terms bind a model that learns from its outputs, too, as a derivative",
    "Llama 2": "its outputs must not be used to improve other large language models, and more than 700 million users need a licence",
    "DINOv3": "works derived from it are passed on under its terms alone, and some uses are excluded",
}


class Licence(NamedTuple):
    """The licence of a model's weights.

    Attributes:
        name: Its name; None if it is not known here.
        limits: What it says about models that learn from this one; None if nothing limits them.
    """

    name: str | None
    limits: str | None


def licence_of(model: str) -> Licence:
    """Return the licence of a model that is known by name.

    Args:
        model: A name such as ``"hf:google/embeddinggemma-300m"``, with or without options; or that of imported features.

    Returns:
        The licence. That of a model in a folder, and of an API, is not known.

    Example:
        >>> licence_of("hf:facebook/dinov2-small").name
        'Apache-2.0'
    """
    plain = model.partition(",")[0]
    short = plain.partition(":")[2] or plain
    known = next((one for one in KNOWN_MODELS.values() if plain == one.spec or short in (one.model, one.name)), None)
    name = None if known is None else known.licence
    return Licence(name, _LIMITS.get(name or ""))
