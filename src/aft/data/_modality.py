"""The modality of a sample: which texts, images or arrays its input consists of."""

from typing import Any

from aft.errors import DataError

Modality = tuple[str, ...]

TEXT: Modality = ("text",)
TEXT_PAIR: Modality = ("text", "text")
IMAGE: Modality = ("image",)
ARRAY: Modality = ("array",)
IMAGE_TEXT: Modality = ("image", "text")

#: Modalities by their names.
MODALITIES: dict[str, Modality] = {
    "text": TEXT, "pair": TEXT_PAIR, "image": IMAGE, "array": ARRAY, "image+text": IMAGE_TEXT,
}  # fmt: skip


def modality_name(modality: Modality) -> str:
    """Name a modality, as fingerprints, run configs and error messages do.

    Args:
        modality: For example ``("text", "text")``.

    Returns:
        ``"text"``, ``"pair"``, ``"image"``, ``"array"`` or ``"image+text"``.
    """
    return "pair" if modality == TEXT_PAIR else "+".join(modality)


def is_text(modality: Modality) -> bool:
    """Whether inputs of a modality consist of texts alone."""
    return all(part == "text" for part in modality)


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


def _is_image(value: Any) -> bool:
    """Whether a value is an image of PIL."""
    return hasattr(value, "convert") and hasattr(value, "size")
